import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { root } from '@shop/testing/files.ts'
import { makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { request, requestWithHost } from '@shop/testing/services/http.ts'
import { assertOfferedRequestsSucceed } from '@shop/testing/services/offered-requests.ts'
import { freePort } from '@shop/testing/services/services.ts'

const ownPorts = async () => {
  const [PRODUCT_PORT, BASKET_PORT, GRPC_PORT] = [await freePort(), await freePort(), await freePort()].map(
    String,
  )
  return { PRODUCT_PORT, BASKET_PORT, GRPC_PORT }
}

/** In its own process group, so that SIGINT reaches all of its processes, as Ctrl-C does in a terminal. */
const makeDev = (variables: Readonly<Record<string, string | undefined>>) =>
  spawn('make', ['dev'], {
    cwd: root,
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'], ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })

/** Runs `make dev` until it ends by itself. Make exits with 2 if a command fails. */
const failingDev = async (variables: Readonly<Record<string, string | undefined>>) => {
  const dev = makeDev(variables)
  const [stdout, stderr, [code]] = await Promise.all([text(dev.stdout), text(dev.stderr), once(dev, 'exit')])
  assert.equal(code, 2, stdout)
  return stderr.replace(/\nmake: .*\n$/, '').split('\n')
}

const interrupt = async (dev: ChildProcess): Promise<void> => {
  const exited = once(dev, 'exit')
  // Twice, as somebody does who is in a hurry.
  for (let time = 0; time < 2; time += 1) if (dev.pid !== undefined) process.kill(-dev.pid, 'SIGINT')
  await exited
}

/** The commands that the README tells to try, each in one line. */
const readmeCommands = () => {
  const [, block = ''] =
    /When both services are up, try:\n\n```bash\n([^`]*)```/.exec(
      readFileSync(join(root, 'README.md'), 'utf8'),
    ) ?? []
  return block
    .replaceAll(/\s*\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.startsWith('curl '))
}

/** Each documentation page links to the other, and every request of both succeeds as offered, from top to bottom. */
const assertDocumentationWorks = async (urls: Readonly<{ product: string; basket: string }>) => {
  for (const [url, related] of [
    [urls.product, urls.basket],
    [urls.basket, urls.product],
  ] as const) {
    const { body } = await request('GET', `${url}/docs`)
    assert.ok(body.includes(`<a href="${related}/docs">`), body)
    const operationIds = await assertOfferedRequestsSucceed(url)
    assert.equal(operationIds.length, url === urls.product ? 13 : 12)
  }
}

describe('make dev', () => {
  it('reports the problems of both services together, each once, by the variables that are set', async () => {
    const ports = await ownPorts()
    assert.deepEqual(
      await failingDev({
        ...ports,
        PRODUCT_PORT: ports.GRPC_PORT,
        LOG_LEVEL: 'loud',
        BASKET_TTL_SECONDS: '-1',
      }),
      [
        'Invalid configuration:',
        '  - LOG_LEVEL must be one of trace, debug, info, warn, error, fatal',
        '  - BASKET_TTL_SECONDS must be at least 1',
      ],
    )
    assert.deepEqual(await failingDev({ ...ports, PRODUCT_PORT: '50050', GRPC_PORT: '' }), [
      'Invalid configuration:',
      '  - PRODUCT_PORT and GRPC_PORT must differ: both are 50050, GRPC_PORT by default',
    ])
    assert.deepEqual(
      await failingDev({
        ...ports,
        BASKET_PORT: '99999',
        STORAGE: 'postgres',
        OPERATIONS_PORT: '9080',
        TLS_CLIENT_CA_FILE: '/none',
      }),
      [
        'Invalid configuration:',
        '  - BASKET_PORT must be a whole number from 1 to 65535',
        '  - STORAGE must be auto or embedded, because both services read it; DB_HOST and REDIS_HOST select servers',
        '  - OPERATIONS_PORT must not be set, because both services read it; make product and make basket take one each',
        '  - TLS_CLIENT_CA_FILE must not be set, because make dev has no client certificate; make product and make basket take it',
      ],
    )
  })

  it('ends at once if it does not trust the certificate of the services', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'dev-'))
    const { certificate, key } = await (await makeAuthority(join(folder.path, 'ca'))).issue('server')
    const reasons = await failingDev({
      ...(await ownPorts()),
      DATA_DIR: join(folder.path, 'data'),
      TLS_CERT_FILE: certificate,
      TLS_KEY_FILE: key,
    })
    assert.match(
      reasons.at(-1) ?? '',
      /^make dev does not trust the certificate in TLS_CERT_FILE \(UNABLE_TO_\w+\): set NODE_EXTRA_CA_CERTS /,
    )
  })

  it('starts both services, prints the commands of the README, keeps its data to its user, and stops both on Ctrl-C', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'dev-'))
    const ports = await ownPorts()
    const urls = {
      product: `http://localhost:${ports.PRODUCT_PORT}`,
      basket: `http://localhost:${ports.BASKET_PORT}`,
    }
    const dev = makeDev({
      ...ports,
      DATA_DIR: folder.path,
      // Empty counts as not set: the basket service finds the product service at GRPC_PORT.
      PRODUCT_SERVICE_URL: '',
      // A busy test machine must not count as an overloaded service.
      MAX_EVENT_LOOP_DELAY_MS: '0',
    })
    dev.stderr.pipe(process.stderr)
    try {
      let output = ''
      dev.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
      while (!output.includes('Ctrl-C stops both')) await once(dev.stdout, 'data')
      assert.match(output, new RegExp(`Product service +${urls.product}`))
      assert.match(output, new RegExp(`Basket service +${urls.basket}`))
      const printed = output.split('\n').flatMap((line) => (line.startsWith('  curl ') ? [line.trim()] : []))
      const expected = readmeCommands().map((command) =>
        command.replace('http://localhost:8080', urls.product).replace('http://localhost:8081', urls.basket),
      )
      assert.equal(expected.length, 4)
      assert.deepEqual(printed, expected)
      assert.equal((await request('GET', `${urls.product}/products/top-5`)).body.count, 5)
      for (const port of [ports.PRODUCT_PORT, ports.BASKET_PORT])
        for (const host of ['127.0.0.1', '[::1]']) {
          const url = `http://${host}:${port}/health/live`
          assert.equal((await requestWithHost(url, `localhost:${port}`)).status, 200, url)
          assert.equal((await requestWithHost(url, `shop.example:${port}`)).status, 403, url)
        }
      await assertDocumentationWorks(urls)
      const items = `${urls.basket}/baskets/user123/items`
      assert.equal((await request('POST', items, { product_id: 1, quantity: 2 })).status, 200)
      const files = readdirSync(folder.path, { recursive: true, encoding: 'utf8' })
      assert.deepEqual(
        files.filter((file) => (statSync(join(folder.path, file)).mode & 0o077) !== 0),
        [],
      )
      assert.ok(files.includes('baskets.sqlite-wal') && files.includes('products/PG_VERSION'))
      const refused = await failingDev({ ...(await ownPorts()), DATA_DIR: folder.path })
      assert.match(
        refused.at(-1) ?? '',
        /^The (product|basket) service has ended \(exit code 1\): \S+ is in use by another process; stop that process, or set DATA_DIR to another folder\.$/,
      )
    } finally {
      await interrupt(dev)
    }
    for (const url of Object.values(urls)) await assert.rejects(request('GET', `${url}/health`))
  })
})
