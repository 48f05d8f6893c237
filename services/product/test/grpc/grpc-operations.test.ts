import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { ProductServiceClient, UpdateProductRequest } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownSchema, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { service as healthDefinition } from 'grpc-health-check'
import { Client as PgClient } from 'pg'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { fieldsOf, openApp } from '../support/store.ts'

const service = 'product.ProductService'

const fetchReady = async ({ http }: Awaited<ReturnType<typeof createApp>>) =>
  (await http.inject('/health/ready')).statusCode

/** A client of grpc.health.v1.Health, as published. */
const healthClient = (port: number) => {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  const method = (name: string) => {
    const definition = healthDefinition[name]
    assert.ok(definition !== undefined && 'path' in definition)
    return [definition.path, definition.requestSerialize, definition.responseDeserialize] as const
  }
  const unary = (name: string, request: object) =>
    new Promise<unknown>((resolve, reject) => {
      client.makeUnaryRequest(...method(name), request, (error, response) =>
        error ? reject(error) : resolve(response),
      )
    })
  return {
    check: (request: object) => unary('Check', request),
    list: () => unary('List', {}),
    watch: (request: object) => client.makeServerStreamRequest(...method('Watch'), request),
    close: () => client.close(),
  }
}

const buf = async (...args: string[]): Promise<string> => {
  const options = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...args]
  return (await promisify(execFile)('buf', options, { timeout: 20_000 })).stdout
}

describe('the standard services beside ours', () => {
  let app: Awaited<ReturnType<typeof openApp>>
  let port = 0
  before(async () => {
    app = await openApp()
    port = await app.grpc.listen(0)
    await app.store.products.add(fieldsOf({ name: 'Lamp' }))
  })
  after(() => app[Symbol.asyncDispose]())

  for (const version of ['grpc-v1', 'grpc-v1alpha']) {
    it(`reflection ${version} lists, describes and lets call the service without its contract`, async () => {
      const reflect = ['--reflect', '--reflect-protocol', version]
      const address = `http://127.0.0.1:${port}`
      assert.equal((await buf(...reflect, '--list-services', address)).trim(), service)
      const methods = (await buf(...reflect, '--list-methods', address)).trim().split('\n')
      assert.equal(methods.length, 9)
      assert.ok(methods.includes(`${service}/BatchGetProducts`))
      const page = await buf(...reflect, '-d', '{"page_size": 1}', `${address}/${service}/ListProducts`)
      assert.match(page, /"createdAt"/, 'the fields have the names of the contract, and their JSON ones')
      const answer = await buf(...reflect, '-d', '{"ids": [1, 2]}', `${address}/${service}/BatchGetProducts`)
      assert.deepEqual(
        JSON.parse(answer).products.map(({ name }: { name: string }) => name),
        ['Lamp'],
      )
    })
  }

  it('health tells of the server and of its service, and of no other', async () => {
    const health = healthClient(port)
    for (const name of ['', service])
      assert.deepEqual(await health.check({ service: name }), { status: 'SERVING' })
    await assert.rejects(health.check({ service: 'other' }), { code: status.NOT_FOUND })
    assert.deepEqual(await health.list(), {
      statuses: { '': { status: 'SERVING' }, [service]: { status: 'SERVING' } },
    })
    health.close()
  })
})

it('reflection is not there with REFLECTION=off', async () => {
  const { grpc } = readConfig({ REFLECTION: 'off' })
  await using app = await openApp({ grpc })
  const address = `http://127.0.0.1:${await app.grpc.listen(0)}`
  await assert.rejects(buf('--reflect', '--list-services', address), /unimplemented|not implement/i)
})

it('health follows readiness: a watcher sees the shutdown begin, and does not hold it up', async () => {
  const app = await openApp()
  const health = healthClient(await app.grpc.listen(0))
  const seen: string[] = []
  const watching = health.watch({ service })
  watching.on('error', () => {})
  watching.on('data', (message: { status: string }) => seen.push(message.status))
  while (seen.at(-1) !== 'SERVING') await delay(20)
  await app[Symbol.asyncDispose]()
  await eventually(20_000, async () => assert.equal(seen.at(-1), 'NOT_SERVING'))
  health.close()
})

it('a deadline that passes stops the statement in PostgreSQL', { skip: withoutPostgres }, async () => {
  await using schema = await ownSchema()
  // Without the limit by which the server would end the statement too: only the cancelling is left.
  const unlimited = `${schema.url}&statement_timeout=0`
  const config = readConfig({ DATABASE_URL: unlimited })
  await using adapters = await openAdapters({ config, logger: silentLogger })
  await using app = await createApp(adapters, silentLogger)
  const client = new ProductServiceClient(
    `127.0.0.1:${await app.grpc.listen(0)}`,
    credentials.createInsecure(),
  )
  const callsOf = (id: number) =>
    [
      (...rest) => client.getProduct({ id }, ...rest),
      (...rest) => client.deleteProduct({ id, version: 0 }, ...rest),
      (...rest) => client.updateProduct(UpdateProductRequest.fromPartial({ id, name: 'Lamp' }), ...rest),
    ] satisfies ((
      metadata: Metadata,
      options: { deadline: number },
      callback: (error: ServiceError | null) => void,
    ) => unknown)[]
  const waiting = () =>
    query("select pid from pg_locks where relation = 'products'::regclass and not granted", schema.url)

  while ((await fetchReady(app)) !== 200) await delay(20)
  const product = await adapters.ports.products.add(fieldsOf())
  const holder = new PgClient({ connectionString: schema.url })
  await holder.connect()
  try {
    await holder.query('begin; lock table products in access exclusive mode')
    let seenWaiting = 0
    for (const call of callsOf(product.id)) {
      const refused = new Promise<status | 'answered'>((resolve) => {
        call(new Metadata(), { deadline: Date.now() + 2_500 }, (error) => resolve(error?.code ?? 'answered'))
      })
      while ((await Promise.race([refused, delay(20)])) === undefined) seenWaiting += (await waiting()).length
      assert.equal(await refused, status.DEADLINE_EXCEEDED)
      await eventually(20_000, async () => assert.deepEqual(await waiting(), []))
    }
    assert.ok(seenWaiting > 0)
    await holder.query('rollback')
    assert.deepEqual(await adapters.ports.reader.find(product.id), product)
  } finally {
    await holder.end()
    client.close()
  }
})
