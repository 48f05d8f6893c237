import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import type { ProductResponse, ProductServiceClient } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { request } from '@shop/testing/services/http.ts'
import { connectTo } from '../support/grpc.ts'
import { openApp } from '../support/store.ts'

const writer = newApiKey('importer', 'products:write')
const reader = newApiKey('reader', 'something:else')
const removed = newApiKey('removed', 'products:write')
const wrong = newApiKey('wrong', 'products:write')

const pen = { name: 'Pen', price: 1.5 }

type Headers = Readonly<Record<string, string>>

describe('a product service with API keys', () => {
  const stack = new AsyncDisposableStack()
  const { logger, lines } = recordingLogger()
  let url: string
  let address: string
  let client: ProductServiceClient
  let keysFile: string
  before(async () => {
    const folder = await mkdtempDisposable(join(tmpdir(), 'product-keys-'))
    stack.defer(() => folder.remove())
    keysFile = join(folder.path, 'keys')
    await writeFile(keysFile, writer.line + reader.line + removed.line)
    const app = stack.use(await openApp({ auth: { mode: 'keys', apiKeysFile: keysFile } }, { logger }))
    stack.use(app.startJobs())
    url = await app.http.listen({ port: 0, host: '127.0.0.1' })
    const port = await app.grpc.listen(0)
    address = `http://127.0.0.1:${port}`
    ;({ client } = connectTo(port))
    stack.defer(() => client.close())
  })
  after(() => stack.disposeAsync())

  const post = (headers: Headers, query = '') => request('POST', `${url}/products${query}`, pen, headers)
  /** Creates a product over gRPC. Resolves with the status. */
  const create = (metadata: Metadata) =>
    new Promise<status>((resolve) => {
      const done = (error: ServiceError | null, _response?: ProductResponse) =>
        resolve(error?.code ?? status.OK)
      const input = { ...pen, description: '', stock: 0, category: '', groupId: '', requestId: '' }
      client.createProduct(input, metadata, { deadline: Date.now() + 5_000 }, done)
    })
  const metadataOf = (...entries: readonly (readonly [string, string | Buffer])[]) => {
    const metadata = new Metadata()
    for (const [name, value] of entries) metadata.add(name, value)
    return metadata
  }
  const withKey = ({ authorization }: Readonly<{ authorization: string }>) =>
    metadataOf(['authorization', authorization])

  it('accepts a key over HTTP and gRPC, and refuses one that lacks the scope', async () => {
    assert.equal((await post({ authorization: writer.authorization })).status, 201)
    assert.equal(await create(withKey(writer)), status.OK)
    const refused = await post({ authorization: reader.authorization })
    assert.deepEqual([refused.status, refused.body.code], [403, 'forbidden'])
    assert.equal(await create(withKey(reader)), status.PERMISSION_DENIED)
  })

  it('refuses a wrong key over both, also for what everybody may read', async () => {
    for (const authorization of [wrong.authorization, 'Basic YTpi', 'Bearer', `${writer.authorization}=`]) {
      const headers = { authorization }
      const { status: code, body } = await post(headers)
      assert.deepEqual([code, body.code], [401, 'unauthenticated'])
      assert.equal((await request('GET', `${url}/products`, undefined, headers)).status, 401)
      assert.equal(await create(metadataOf(['authorization', authorization])), status.UNAUTHENTICATED)
    }
    assert.equal((await request('GET', `${url}/products`)).status, 200)
  })

  it('refuses two keys over HTTP, although one or both are right', async () => {
    for (const [first, second] of [
      [writer, writer],
      [writer, wrong],
    ] as const) {
      const values = [first.authorization, second.authorization]
      const sent = httpRequest(`${url}/products`, {
        headers: ['Host', 'localhost', ...values.flatMap((value) => ['Authorization', value])],
      })
      const [response]: IncomingMessage[] = await once(sent.end(), 'response')
      response?.resume()
      assert.equal(response?.statusCode, 401)
    }
  })

  it('ignores keys elsewhere: in the query, a cookie, other headers or binary metadata', async () => {
    for (const [headers, query] of [
      [{}, `?access_token=${writer.key}&authorization=${writer.key}`],
      [{ cookie: `authorization=${writer.key}` }, ''],
      [{ 'x-authorization': writer.authorization, 'proxy-authorization': writer.authorization }, ''],
    ] as const)
      assert.equal((await post(headers, query)).status, 401)
    const binary = metadataOf(['authorization-bin', Buffer.from(writer.authorization)])
    assert.equal(await create(binary), status.UNAUTHENTICATED)
  })

  it('shows its methods only to callers with a key, its health to everybody', async () => {
    const curl = (...args: string[]) =>
      promisify(execFile)('buf', ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...args])
    await assert.rejects(curl('--list-services', address), /not authenticated/)
    const { stdout } = await curl(
      '--list-services',
      '--reflect-header',
      `authorization: ${reader.authorization}`,
      address,
    )
    assert.match(stdout, /product\.ProductService/)
    const health = await new Promise((resolve) =>
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        (value: Buffer) => value,
        (value) => value,
        Buffer.alloc(0),
        metadataOf(['authorization', wrong.authorization]),
        (error) => resolve(error?.code ?? status.OK),
      ),
    )
    assert.equal(health, status.OK)
    assert.equal((await request('GET', `${url}/health/live`)).status, 200)
  })

  it('refuses a key within about a second after it was removed from the file, over both', async () => {
    assert.equal((await post({ authorization: removed.authorization })).status, 201)
    await writeFile(keysFile, writer.line + reader.line)
    const started = performance.now()
    await eventually(5_000, async () =>
      assert.equal((await post({ authorization: removed.authorization })).status, 401),
    )
    assert.ok(performance.now() - started < 3_000)
    assert.equal(await create(withKey(removed)), status.UNAUTHENTICATED)
    assert.equal(await create(withKey(writer)), status.OK)
  })

  it('writes neither keys nor their hashes to the log', () => {
    assert.ok(lines.length > 10)
    const log = JSON.stringify(lines)
    for (const { key, line } of [writer, reader, removed, wrong])
      for (const secret of [key, line.split(' ')[1] ?? '']) assert.ok(!log.includes(secret))
  })
})
