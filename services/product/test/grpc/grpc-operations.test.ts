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
  let jobs: AsyncDisposable
  before(async () => {
    app = await openApp()
    jobs = app.startJobs()
    port = await app.grpc.listen(0)
    await app.store.products.add(creationOf({ name: 'Lamp' }))
  })
  after(async () => {
    await jobs[Symbol.asyncDispose]()
    await app[Symbol.asyncDispose]()
  })

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
      await eventually(20_000, async () =>
        assert.deepEqual(await health.check({ service: name }), { status: 'SERVING' }),
      )
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

describe('when the deadline of a call passes', { skip: withoutPostgres }, () => {
  let schema: Awaited<ReturnType<typeof ownSchema>>
  let adapters: Awaited<ReturnType<typeof openAdapters>>
  let app: Awaited<ReturnType<typeof createApp>>
  let client: ProductServiceClient
  before(async () => {
    schema = await ownSchema()
    // Without the limit by which the server would end the statement too: only the cancelling is left.
    const config = readConfig({ DATABASE_URL: `${schema.url}&statement_timeout=0` })
    adapters = await openAdapters({ config, logger: silentLogger })
    app = await createApp(adapters, silentLogger)
    client = new ProductServiceClient(`127.0.0.1:${await app.grpc.listen(0)}`, credentials.createInsecure())
    while ((await fetchReady(app)) !== 200) await delay(20)
  })
  after(async () => {
    client.close()
    await app[Symbol.asyncDispose]()
    await adapters[Symbol.asyncDispose]()
    await schema[Symbol.asyncDispose]()
  })

  type Send = (
    metadata: Metadata,
    options: { deadline: number },
    callback: (error: ServiceError | null) => void,
  ) => unknown

  /** Gives the call so long; resolves with how it ends. */
  const statusOf = (ms: number, call: Send) =>
    new Promise<status | 'answered'>((resolve) => {
      call(new Metadata(), { deadline: Date.now() + ms }, (error) => resolve(error?.code ?? 'answered'))
    })

  it('the statement of a read is stopped in PostgreSQL', async () => {
    const { id } = await adapters.ports.products.add(creationOf())
    const paging = { pageSize: 0, pageToken: '' }
    const reads: Send[] = [
      (...rest) => client.getProduct({ id }, ...rest),
      (...rest) => client.batchGetProducts({ ids: [id] }, ...rest),
      (...rest) => client.listProducts(paging, ...rest),
    ]
    await using table = await holdLocks(schema.url, 'lock table products in access exclusive mode')
    for (const read of reads) {
      let seenWaiting = 0
      const ended = statusOf(2_500, read)
      while ((await Promise.race([ended, delay(20)])) === undefined)
        seenWaiting += (await table.waiting()).length
      assert.equal(await ended, status.DEADLINE_EXCEEDED)
      await eventually(20_000, async () => assert.deepEqual(await table.waiting(), []))
      assert.ok(seenWaiting > 0)
    }
  })

  const writes: Readonly<Record<string, (id: number) => Send>> = {
    update:
      (id) =>
      (...rest) =>
        client.updateProduct(UpdateProductRequest.fromPartial({ id, name: 'Lamp' }), ...rest),
    delete:
      (id) =>
      (...rest) =>
        client.deleteProduct({ id, version: 0 }, ...rest),
  }
  const stored = {
    update: { name: 'Lamp', version: 2 },
    delete: undefined,
  }
  for (const [name, write] of Object.entries(writes))
    for (const [lock, what] of [
      ['lock table products in access exclusive mode', 'reading the product'],
      ['select from products for update', 'writing it'],
    ] as const)
      it(`${name === 'update' ? 'an update' : 'a delete'} that has begun takes effect all the same, also while ${what}`, async () => {
        const { id } = await adapters.ports.products.add(creationOf())
        await using locks = await holdLocks(schema.url, lock)
        assert.equal(await statusOf(1_500, write(id)), status.DEADLINE_EXCEEDED)
        await delay(200)
        assert.equal((await locks.waiting()).length, 1)
        await locks.release()
        await eventually(20_000, async () => {
          const product = await adapters.ports.reader.find(id)
          assert.deepEqual(
            product && { name: product.name, version: product.version },
            stored[name as keyof typeof stored],
          )
        })
      })
})
