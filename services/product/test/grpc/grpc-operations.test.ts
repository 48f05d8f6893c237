import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { ProductServiceClient, UpdateProductRequest } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { service as healthDefinition } from 'grpc-health-check'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { holdLocks } from '../support/locks.ts'
import { creationOf, openApp } from '../support/store.ts'

const service = 'product.ProductService'

const readyStatus = async ({ http }: Awaited<ReturnType<typeof createApp>>) =>
  (await http.inject('/health/ready')).statusCode

/** Opens a client of the standard service grpc.health.v1.Health. */
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

describe('gRPC health', () => {
  let app: Awaited<ReturnType<typeof openApp>>
  let port = 0
  let jobs: AsyncDisposable
  before(async () => {
    app = await openApp()
    jobs = app.startJobs()
    port = await app.grpc.listen(0)
  })
  after(async () => {
    await jobs[Symbol.asyncDispose]()
    await app[Symbol.asyncDispose]()
  })

  it('health reports the server and the product service, and NOT_FOUND for other services', async () => {
    const health = healthClient(port)
    for (const name of ['', service])
      await eventually(20_000, async () =>
        assert.deepEqual(await health.check({ service: name }), { status: 'SERVING' }),
      )
    await assert.rejects(health.check({ service: 'other' }), (error: ServiceError) => {
      assert.equal(error.code, status.NOT_FOUND)
      const [details] = error.metadata.get('grpc-status-details-bin')
      assert.match(String(details), /google\.rpc\.ErrorInfo/)
      return true
    })
    assert.deepEqual(await health.list(), {
      statuses: { '': { status: 'SERVING' }, [service]: { status: 'SERVING' } },
    })
    health.close()
  })
})

it('REFLECTION=off disables gRPC reflection', async () => {
  const { grpc } = readConfig({ REFLECTION: 'off' })
  await using app = await openApp({ grpc })
  const address = `http://127.0.0.1:${await app.grpc.listen(0)}`
  await assert.rejects(buf('--reflect', '--list-services', address), /unimplemented|not implement/i)
})

it('a health watcher sees NOT_SERVING on shutdown and does not delay it', async () => {
  const app = await openApp()
  const jobs = app.startJobs()
  const health = healthClient(await app.grpc.listen(0))
  const seen: string[] = []
  const watching = health.watch({ service })
  watching.on('error', () => {})
  watching.on('data', (message: { status: string }) => seen.push(message.status))
  while (seen.at(-1) !== 'SERVING') await delay(20)
  await jobs[Symbol.asyncDispose]()
  await app[Symbol.asyncDispose]()
  await eventually(20_000, async () => assert.equal(seen.at(-1), 'NOT_SERVING'))
  health.close()
})

describe('when the deadline of a call expires', { skip: withoutPostgres }, () => {
  let schema: Awaited<ReturnType<typeof ownSchema>>
  let adapters: Awaited<ReturnType<typeof openAdapters>>
  let app: Awaited<ReturnType<typeof createApp>>
  let client: ProductServiceClient
  before(async () => {
    schema = await ownSchema()
    // No statement_timeout: only cancellation can end a statement.
    const config = readConfig({ DATABASE_URL: `${schema.url}&statement_timeout=0` })
    adapters = await openAdapters({ config, logger: silentLogger })
    app = await createApp(adapters, silentLogger)
    client = new ProductServiceClient(`127.0.0.1:${await app.grpc.listen(0)}`, credentials.createInsecure())
    while ((await readyStatus(app)) !== 200) await delay(20)
  })
  after(async () => {
    client.close()
    await app[Symbol.asyncDispose]()
    await adapters[Symbol.asyncDispose]()
    await schema[Symbol.asyncDispose]()
  })

  type Call = (
    metadata: Metadata,
    options: { deadline: number },
    callback: (error: ServiceError | null) => void,
  ) => unknown

  /** Makes the call with a deadline `ms` milliseconds from now. Resolves with its status. */
  const callWithDeadline = (ms: number, call: Call) =>
    new Promise<status>((resolve) => {
      call(new Metadata(), { deadline: Date.now() + ms }, (error) => resolve(error?.code ?? status.OK))
    })

  it('the statement of a read is cancelled in PostgreSQL', async () => {
    const { id } = await adapters.ports.products.add(creationOf())
    const paging = { pageSize: 0, pageToken: '' }
    const reads: Call[] = [
      (...rest) => client.getProduct({ id }, ...rest),
      (...rest) => client.batchGetProducts({ ids: [id], readMask: undefined }, ...rest),
      (...rest) => client.listProducts(paging, ...rest),
    ]
    await using table = await holdLocks(schema.url, 'lock table products in access exclusive mode')
    for (const read of reads) {
      let blockedCount = 0
      const finalStatus = callWithDeadline(2_500, read)
      while ((await Promise.race([finalStatus, delay(20)])) === undefined)
        blockedCount += (await table.blockedStatements()).length
      assert.equal(await finalStatus, status.DEADLINE_EXCEEDED)
      await eventually(20_000, async () => assert.deepEqual(await table.blockedStatements(), []))
      assert.ok(blockedCount > 0)
    }
  })

  const writes: Readonly<Record<string, (id: number) => Call>> = {
    update:
      (id) =>
      (...rest) =>
        client.updateProduct(UpdateProductRequest.fromPartial({ id, name: 'Lamp' }), ...rest),
    delete:
      (id) =>
      (...rest) =>
        client.deleteProduct({ id, version: 0, requestId: '' }, ...rest),
  }
  const expectedProducts = {
    update: { name: 'Lamp', version: 2 },
    delete: undefined,
  }
  for (const [name, write] of Object.entries(writes))
    for (const [lock, step] of [
      ['lock table products in access exclusive mode', 'reading'],
      ['select from products for update', 'writing'],
    ] as const)
      it(`${name === 'update' ? 'an update' : 'a delete'} that is blocked while ${step} the product still takes effect`, async () => {
        const { id } = await adapters.ports.products.add(creationOf())
        await using locks = await holdLocks(schema.url, lock)
        assert.equal(await callWithDeadline(1_500, write(id)), status.DEADLINE_EXCEEDED)
        await delay(200)
        assert.equal((await locks.blockedStatements()).length, 1)
        await locks.release()
        await eventually(20_000, async () => {
          const product = await adapters.ports.reader.find(id)
          assert.deepEqual(
            product && { name: product.name, version: product.version },
            expectedProducts[name as keyof typeof expectedProducts],
          )
        })
      })
})
