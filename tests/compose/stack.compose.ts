import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { credentials } from '@grpc/grpc-js'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import { callUnary } from '@shop/platform/grpc/client.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startBasketWrites, startProductWrites } from '@shop/testing/services/checked-writes.ts'
import { request } from '@shop/testing/services/http.ts'
import { type Answer, summaryOf } from '@shop/testing/services/recorded-load.ts'
import { shopAt, startShoppers, waitForRounds } from '@shop/testing/services/shoppers.ts'
import { abandonRequests, openSockets, sendBodies } from './attacks.ts'
import { type ComposeProject, composeProject, copyOfTree } from './project.ts'
import {
  commandsOfReadme,
  crash,
  healthyMs,
  killAndStart,
  operationsUrls,
  operatorOf,
  productsOf,
  requestAsOperator,
  untilHealthy,
  writtenValue,
} from './shop.ts'
import { stepsOf } from './steps.ts'

const longRunning = ['postgres', 'redis', 'product-service', 'basket-service']
const megabyte = 1024 * 1024

let project: ComposeProject | undefined
const step = stepsOf(() => project)
const productUrl = ({ urlOf }: ComposeProject) => urlOf('PRODUCT_PORT')
const basketUrl = ({ urlOf }: ComposeProject) => urlOf('BASKET_PORT')
const portOf = (url: string) => Number(new URL(url).port)

const passwordsOf = ({ folder }: ComposeProject): string[] =>
  [...readFileSync(join(folder, '.env'), 'utf8').matchAll(/^\w*PASSWORD=(.+)$/gm)].map(
    ([, value = '']) => value,
  )

/** No container of these was ended for its memory, or restarted. */
const assertUnharmed = async ({ inspect }: ComposeProject, services: readonly string[]) => {
  for (const service of services) {
    const { State: state, RestartCount: restarts } = await inspect(service)
    assert.equal(state.OOMKilled, false, `${service} was ended for its memory`)
    assert.equal(restarts, 0, `${service} was restarted`)
    assert.equal(state.Health.Status, 'healthy', service)
  }
}

/**
 * Every request was answered, by success or as an outage. A connection may be cut where `mayCut`. A basket whose first
 * add was refused does not exist.
 */
const assertAnswered = (answers: readonly Answer[], mayCut: boolean) => {
  const isExpected = ({ status, detail, request: sent }: Answer) =>
    [200, 201, 503].includes(status) ||
    (status === 404 && sent.startsWith('GET /baskets/')) ||
    (status === 0 && mayCut && !detail.includes('timed out'))
  assert.deepEqual(answers.filter((answer) => !isExpected(answer)).slice(0, 5), [])
  assert.ok(answers.some(({ status }) => status === 200))
}

/** On a slow machine, a call of the product service may miss its deadline. Nothing else may have failed. */
const assertServed = (failures: readonly string[]) =>
  assert.deepEqual(
    failures.filter((failure) => !failure.includes('"detail":"the product service is unavailable"')),
    [],
  )

describe('docker-compose.yml, started from nothing', () => {
  before(async () => {
    project = await composeProject(`shop-test-${process.pid}`, copyOfTree, [
      'product-service',
      'basket-service',
      'migrate',
      'admin',
    ])
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => void project?.[Symbol.asyncDispose]().finally(() => process.exit(1)))
  })
  after(async () => await project?.[Symbol.asyncDispose]())

  step('says what to do when there is no .env', async ({ compose }) => {
    await assert.rejects(compose('up'), ({ message }: Error) => {
      const lines = message.trim().split('\n').slice(1)
      assert.equal(lines.length, 1, message)
      assert.match(lines[0] ?? '', /PASSWORD.*run "make env"/)
      return true
    })
  })

  step('builds the images with make docker-build', async ({ make }) => void (await make('docker-build')))

  step('starts with make docker-run and SEED=samples, all healthy', async (running) => {
    await running.make('docker-run', 'SEED=samples')
    await untilHealthy(...operationsUrls(running))
    await assertUnharmed(running, longRunning)
    assert.equal(statSync(join(running.folder, '.env')).mode & 0o777, 0o600)
  })

  step("answers README's requests", async (running) => {
    const shop = await running.shell(commandsOfReadme('SHOP_API_KEY', running))
    assert.match(shop, /^\{"products":\[\{"id":3,"name":"Laptop"/)
    assert.match(shop, /"name":"Emma"/)
    assert.match(shop, /"user_id":"guest:[\w-]{22}"/)
    assert.match(shop, /"product_id":1,"name":"1984","price":14.99,"quantity":2,"subtotal":29.98/)
    const curl = commandsOfReadme('buf curl', running)
    // Reflection is for those who have credentials.
    await assert.rejects(running.shell(curl), /failed to find service/)
    const { authorization } = operatorOf(running)
    const withKey = `--header 'authorization: ${authorization}' --reflect-header '*' --reflect`
    assert.match(await running.shell(curl.replace('--reflect', withKey)), /"name": "1984"/)
  })

  step('lets everybody read and nobody write without a key', async (running) => {
    const product = { name: 'Nobody', price: 1 }
    for (const [method, path, body] of [
      ['POST', '/products', product],
      ['PUT', '/products/1', product],
      ['PATCH', '/products/1', { stock: 0 }],
      ['DELETE', '/products/1', undefined],
      ['POST', '/products', product],
    ] as const) {
      const url = `${productUrl(running)}${path}`
      const { status, headers } = await request(method, url, body)
      assert.deepEqual([status, headers.get('www-authenticate')?.slice(0, 6)], [401, 'Bearer'], method)
      const forged = { authorization: `Bearer shop_${'A'.repeat(43)}` }
      assert.equal((await request(method, url, body, forged)).status, 401, method)
    }
    for (const path of ['/baskets/ann', '/baskets/user123'])
      assert.equal((await request('GET', `${basketUrl(running)}${path}`)).status, 401, path)
    assert.equal((await request('GET', `${productUrl(running)}/products/1`)).body.stock, 75)
    const { status } = await requestAsOperator(running, 'POST', `${productUrl(running)}/products`, product)
    assert.equal(status, 201)
  })

  step(
    'shows the key of the operator to no container, and accepts another one without a restart',
    async (running) => {
      const key = writtenValue(running, 'SHOP_API_KEY')
      for (const service of longRunning) {
        assert.ok(!JSON.stringify(await running.inspect(service)).includes(key), service)
        assert.ok(!(await running.compose('logs', '--no-color', service)).includes(key), service)
      }
      const file = join(running.folder, 'deploy/keys/api-keys')
      const other = `shop_${randomBytes(32).toString('base64url')}`
      const url = `${productUrl(running)}/products/1`
      const change = async () =>
        (await request('PATCH', url, { stock: 75 }, { authorization: `Bearer ${other}` })).status
      assert.equal(await change(), 401)
      const lines = readFileSync(file, 'utf8')
      // Editors and other programs replace the file, and do not write into it.
      const replace = (text: string) => {
        writeFileSync(`${file}.new`, text)
        renameSync(`${file}.new`, file)
      }
      replace(`${lines}editor ${hash('sha256', other)} products:write\n`)
      await eventually(healthyMs, async () => assert.equal(await change(), 200))
      const basket = `${basketUrl(running)}/baskets/ann`
      const read = async () =>
        (await request('GET', basket, undefined, { authorization: `Bearer ${other}` })).status
      // Known there too, but without the scope.
      await eventually(healthyMs, async () => assert.equal(await read(), 403))
      replace(lines)
      await eventually(healthyMs, async () => assert.equal(await change(), 401))
      await assertUnharmed(running, longRunning)
    },
  )

  step('serves metrics and documentation, and nothing to pages of other origins', async (running) => {
    for (const url of [productUrl(running), basketUrl(running)]) {
      assert.equal((await request('GET', `${url}/docs`)).status, 200)
      assert.equal((await request('GET', `${url}/openapi.json`)).body.openapi.slice(0, 3), '3.1')
      const origin = { origin: 'https://evil.example' }
      const { headers } = await request('GET', `${url}/health/live`, undefined, origin)
      assert.equal(headers.get('access-control-allow-origin'), null)
      for (const path of ['/metrics', '/health', '/health/ready'])
        assert.equal((await request('GET', `${url}${path}`)).status, 404, path)
    }
    for (const url of operationsUrls(running)) {
      assert.match((await request('GET', `${url}/metrics`)).body, /^http_server_request_duration_seconds/m)
      assert.equal((await request('GET', `${url}/docs`)).status, 404)
    }
  })

  step('passes the id of a request on to the product service', async (running) => {
    const id = `compose-${process.pid}`
    await requestAsOperator(
      running,
      'POST',
      `${basketUrl(running)}/baskets/ids/items`,
      { product_id: 2, quantity: 1 },
      { 'x-request-id': id },
    )
    const logs = async (service: string) => await running.compose('logs', '--no-color', service)
    for (const service of ['basket-service', 'product-service'])
      await eventually(healthyMs, async () =>
        assert.ok((await logs(service)).includes(`"request_id":"${id}"`), service),
      )
  })

  step('runs every container without privileges and within limits', async (running) => {
    for (const service of longRunning) {
      const { HostConfig: host, Config: config } = await running.inspect(service)
      assert.equal(host.ReadonlyRootfs, true, service)
      assert.deepEqual(host.CapDrop, ['ALL'], service)
      assert.ok(host.Memory > 0 && host.Memory <= 1024 * megabyte && host.PidsLimit > 0, service)
      assert.notEqual(config.User, '', service)
      const files = '/proc/1/status /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes'
      const state = await running.compose(
        'exec',
        '-T',
        service,
        'sh',
        '-c',
        `cat ${files} 2>/dev/null || true`,
      )
      assert.match(state, /^CapBnd:\s+0+$/m, service)
      assert.match(state, /^NoNewPrivs:\s+1$/m, service)
      assert.doesNotMatch(state, /^Uid:\s+0\s/m, service)
      assert.match(state, new RegExp(`^${host.Memory}$`, 'm'), `${service}: the limit of memory`)
      await assert.rejects(running.exec(service, 'sh', '-c', ': > /file'), /Read-only/)
    }
  })

  step('shows no password in the arguments of a process', async (running) => {
    for (const service of longRunning) {
      const processes = await running.docker('top', await running.idOf(service), '-eo', 'pid,args')
      for (const password of passwordsOf(running)) assert.ok(!processes.includes(password), service)
    }
  })

  step(
    'keeps the stores apart: only the service of a store reaches it, and it reaches only that one',
    async (running) => {
      const { exec, inspect } = running
      const connectTo = (service: string, address: string, port: number) =>
        exec(
          service,
          'node',
          '-e',
          `const socket = require('node:net').connect(${port}, '${address}', () => process.exit(0))
         socket.on('error', () => process.exit(1)); setTimeout(() => process.exit(2), 2_000)`,
        )
      const networksOf = async (service: string): Promise<Record<string, { IPAddress: string }>> =>
        (await inspect(service)).NetworkSettings.Networks
      const addressOf = async (service: string, network: string) =>
        (await networksOf(service))[`${running.name}_${network}`]?.IPAddress ?? ''
      const connectFrom = (store: string, address: string, port: number) =>
        exec(store, 'timeout', '2', 'bash', '-c', `: < /dev/tcp/${address}/${port}`)
      for (const [store, service, port, otherService, otherPort] of [
        ['postgres', 'product-service', 5432, 'basket-service', 8081],
        ['redis', 'basket-service', 6379, 'product-service', 8080],
      ] as const) {
        assert.deepEqual(Object.keys(await networksOf(store)), [`${running.name}_${store}`])
        const address = await addressOf(store, store)
        await connectTo(service, address, port)
        await assert.rejects(connectTo(otherService, address, port), `${otherService} reaches ${store}`)
        await connectFrom(store, await addressOf(service, store), service === 'product-service' ? 8080 : 8081)
        await assert.rejects(
          connectFrom(store, await addressOf(otherService, 'default'), otherPort),
          `${store} reaches ${otherService}`,
        )
      }
    },
  )

  step('gives the services only the rights that they need in the stores', async ({ exec }) => {
    const sql = (statement: string) =>
      exec('postgres', 'sh', '-c', `psql -U postgres -d obs_tools -tAc "${statement}" 2>&1`)
    assert.equal(
      await sql("select count(*) from pg_roles where rolname in ('shop', 'shop_owner') and not rolsuper"),
      '2\n',
    )
    assert.equal(
      await sql("select distinct tableowner from pg_tables where schemaname = 'public'"),
      'shop_owner\n',
    )
    for (const statement of [
      'create table t (id int)',
      'alter table products add column x int',
      'truncate products',
      "copy products to program 'id'",
      'delete from kysely_migration',
    ])
      await assert.rejects(
        sql(`set role shop; ${statement}`),
        /permission denied|must be (owner|superuser)/,
        statement,
      )
    const redis = (command: string) => exec('redis', 'sh', '-c', command)
    assert.match(await redis('redis-cli ping 2>&1'), /NOAUTH/)
    for (const command of ['config get maxmemory', "keys '*'", 'flushall', 'get other'])
      assert.match(
        await redis(`REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli --user shop ${command} 2>&1`),
        /NOPERM|No permissions/i,
        command,
      )
  })

  step('backs up and restores the catalog while clients shop', async (running) => {
    await using shoppers = startShoppers(2, shopAt(basketUrl(running), 3, 'restore-'), operatorOf(running))
    const output = await running.make('docker-backup')
    const [, file = ''] = /make docker-restore FILE=(\S+)/.exec(output) ?? []
    for (const path of [file, `${file}.sha256`])
      assert.equal(statSync(join(running.folder, path)).mode & 0o077, 0, path)
    const stored = await productsOf(productUrl(running))
    await requestAsOperator(running, 'DELETE', `${productUrl(running)}/products/2`)
    await requestAsOperator(running, 'PATCH', `${productUrl(running)}/products/1`, { name: 'Changed' })
    await assert.rejects(running.make('docker-restore', `FILE=${file}`), /Set FORCE=1/)
    assert.match(await running.make('docker-restore', `FILE=${file}`, 'FORCE=1'), /^Restored backups/m)
    await untilHealthy(...operationsUrls(running))
    assert.deepEqual(await productsOf(productUrl(running)), stored)
    await waitForRounds(shoppers, 5)
    const changed = await requestAsOperator(running, 'PATCH', `${productUrl(running)}/products/1`, {
      stock: 76,
    })
    assert.equal(changed.status, 200)
    assertServed(await shoppers.stop())
  })

  step('adds generated products with make docker-seed', async (running) => {
    await assert.rejects(running.make('docker-seed', 'COUNT=5'), /Set FORCE=1/)
    await running.make('docker-seed', 'COUNT=3000', 'FORCE=1')
    assert.ok((await productsOf(productUrl(running))).length > 3_000)
  })

  step('withstands attacks within its memory', async (running, context) => {
    const urls = [productUrl(running), basketUrl(running)]
    await assertUnharmed(running, longRunning)
    const lists = Array.from(
      { length: 1_000 },
      (_, index) => `GET /products?limit=${1_000 - (index % 9)}&sort=-price HTTP/1.1\r\nHost: shop\r\n\r\n`,
    )
    const head = 'POST /products HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n'
    for (const url of urls) {
      const slow = await openSockets(portOf(url), 300, {
        text: `${head}Content-Length: 60000\r\n\r\n{`,
        drip: ' ',
      })
      const idle = await openSockets(portOf(url), 1_500)
      const statuses = await sendBodies(`${url}/${url === urls[0] ? 'products' : 'baskets'}`, {
        count: 100,
        concurrency: 20,
        bytes: 4 * megabyte,
      })
      assert.ok(
        statuses.every((status) => [0, 401, 413, 503].includes(status)),
        String(statuses),
      )
      for (const operations of operationsUrls(running))
        assert.equal((await request('GET', `${operations}/health/ready`)).status, 200)
      assert.equal((await request('GET', `${url}/health/live`)).status, 200)
      slow.close()
      idle.close()
    }
    await abandonRequests(portOf(productUrl(running)), lists, { concurrency: 50, keptMs: 30 })
    await untilHealthy(...operationsUrls(running))
    await eventually(healthyMs, () => assertUnharmed(running, longRunning))
    const usage = await running.docker('stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}}')
    context.diagnostic(usage.replaceAll('\n', '; '))
  })

  step(
    'loses no acknowledged write when services and stores are killed and restarted under load',
    async (running, context) => {
      const { compose } = running
      const { body: pen } = await requestAsOperator(running, 'POST', `${productUrl(running)}/products`, {
        name: 'Pen',
        price: 1,
        stock: 999_999,
      })
      await using products = await startProductWrites(productUrl(running), 3, operatorOf(running))
      await using baskets = startBasketWrites(basketUrl(running), {
        clients: 3,
        productId: pen.id,
        prefix: 'storm-',
        headers: operatorOf(running),
      })
      const loads = [products, baskets]
      const phases: string[] = []
      /** Runs a phase. Afterwards both services are healthy, and every request since its start was answered. */
      const phase = async (name: string, mayCut: boolean, work: () => Promise<unknown>) => {
        const starts = loads.map(({ answers }) => answers.length)
        await work()
        await untilHealthy(...operationsUrls(running))
        await delay(500)
        const answers = loads.flatMap((load, index) => load.answers.slice(starts[index]))
        phases.push(`${name}: ${JSON.stringify(summaryOf(answers))}`)
        assertAnswered(answers, mayCut)
      }
      const down = (path: string) => async () => {
        await delay(1_500)
        assert.equal((await requestAsOperator(running, 'GET', path)).status, 503)
      }
      for (const service of ['product-service', 'basket-service'])
        await phase(`${service} crashes`, true, async () => {
          const { RestartCount: restarts } = await running.inspect(service)
          await crash(running, service)
          await eventually(healthyMs, async () =>
            assert.equal((await running.inspect(service)).RestartCount, restarts + 1),
          )
        })
      await phase('postgres is killed', false, () =>
        killAndStart(running, 'postgres', down(`${productUrl(running)}/products/1`)),
      )
      await phase('redis is killed', false, () =>
        killAndStart(running, 'redis', down(`${basketUrl(running)}/baskets/storm-0-0`)),
      )
      await phase('the stores restart', false, () => compose('restart', '--no-deps', 'postgres', 'redis'))
      await phase('the services restart', true, () =>
        compose('restart', '--no-deps', 'product-service', 'basket-service'),
      )
      for (const load of loads) await load.stop()
      context.diagnostic(phases.join('\n'))
      products.assertStored(await productsOf(productUrl(running)))
      await baskets.assertStored()
    },
  )

  step('scales with PROFILES=scale: HAProxy balances over two instances of each service', async (running) => {
    await running.make('docker-run', 'PROFILES=scale')
    const products = running.urlOf('PRODUCT_BALANCER_PORT')
    const baskets = running.urlOf('BASKET_BALANCER_PORT')
    for (const url of [products, baskets])
      await eventually(healthyMs, async () =>
        assert.equal((await request('GET', `${url}/health/live`)).status, 200, url),
      )
    assert.equal((await request('GET', `${products}/metrics`)).status, 404)
    const stranger = { 'x-request-id': 'stranger', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }
    const { headers } = await request('GET', `${products}/products/1`, undefined, stranger)
    assert.match(headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/)
    using client = Object.assign(
      new ProductServiceClient(
        new URL(running.urlOf('GRPC_BALANCER_PORT')).host,
        credentials.createInsecure(),
      ),
      { [Symbol.dispose]: () => client.close() },
    )
    const { product } = await callUnary(client.getProduct.bind(client), { id: 1 }, 10_000)
    assert.equal(product?.id, 1)

    const shop = shopAt(baskets, 3, 'scale-')
    await using shoppers = startShoppers(
      4,
      async (connection, shopper, round) => {
        assert.equal((await connection.send('GET', `${products}/products/3`)).status, 200)
        await shop(connection, shopper, round)
      },
      operatorOf(running),
    )
    await waitForRounds(shoppers, 10)
    for (const service of ['product-service', 'product-service-2', 'basket-service', 'basket-service-2'])
      assert.match(
        await running.compose('--profile', 'scale', 'logs', '--no-color', service),
        /"status":200/,
        service,
      )
    await running.compose('--profile', 'scale', 'stop', 'product-service-2', 'basket-service')
    await waitForRounds(shoppers, 10)
    assertServed(await shoppers.stop())
  })

  step('stops with make docker-stop, and keeps the data', async (running) => {
    const stored = await productsOf(productUrl(running))
    await running.make('docker-stop')
    await running.make('docker-run')
    await untilHealthy(...operationsUrls(running))
    assert.deepEqual(await productsOf(productUrl(running)), stored)
  })
})
