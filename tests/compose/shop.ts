import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { root } from '@shop/testing/files.ts'
import type { ProductRow } from '@shop/testing/services/checked-writes.ts'
import { request } from '@shop/testing/services/http.ts'
import type { ComposeProject } from './project.ts'

export const healthyMs = 60_000

/** The value that `make env` has written to .env. */
export const writtenValue = ({ folder }: ComposeProject, name: string): string =>
  new RegExp(`^${name}=(.+)$`, 'm').exec(readFileSync(join(folder, '.env'), 'utf8'))?.[1] ??
  assert.fail(`.env has no ${name}`)

/** The credentials of the operator, who may do everything. */
export const operatorOf = (project: ComposeProject) => ({
  authorization: `Bearer ${writtenValue(project, 'SHOP_API_KEY')}`,
})

/** Sends a request as the operator. */
export const requestAsOperator = (
  project: ComposeProject,
  method: string,
  url: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
) => request(method, url, body, { ...operatorOf(project), ...headers })

/** Waits for the services whose health is below these URLs. */
export const untilHealthy = (...urls: readonly string[]) =>
  Promise.all(
    urls.map((url) =>
      eventually(healthyMs, async () =>
        assert.equal((await request('GET', `${url}/health`)).body.status, 'healthy', url),
      ),
    ),
  )

/** Where the health and metrics of both services are. */
export const operationsUrls = ({ urlOf }: ComposeProject) => [
  urlOf('PRODUCT_OPERATIONS_PORT'),
  urlOf('BASKET_OPERATIONS_PORT'),
]

/** All products, page by page. */
export const productsOf = async (url: string): Promise<ProductRow[]> => {
  const rows: ProductRow[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const { status, body } = await request('GET', `${url}/products?limit=1000${after}`)
    assert.equal(status, 200)
    rows.push(...body.products)
    cursor = body.next_cursor
  }
  return rows
}

/** The block of commands in README.md that contains `part`, for the ports of the project. */
export const commandsOfReadme = (part: string, { urlOf }: ComposeProject): string => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [, block] =
    [...readme.matchAll(/^```bash\n([^]*?)^```$/gm)].find(([text]) => text.includes(part)) ?? []
  assert.ok(block, part)
  return block
    .replaceAll('http://localhost:8080', urlOf('PRODUCT_PORT'))
    .replaceAll('http://localhost:8081', urlOf('BASKET_PORT'))
    .replaceAll('http://localhost:50050', urlOf('GRPC_PORT'))
    .replaceAll('node_modules/.bin/', `${root}/node_modules/.bin/`)
}

/** The process that the tini of a service's container has started. */
const child = `const { readFileSync } = require('node:fs')
const [pid] = readFileSync('/proc/1/task/1/children', 'utf8').split(' ')
`

/** Kills the Node.js process of a service, as a crash would. The restart policy then starts its container again. */
export const crash = ({ exec }: ComposeProject, service: string) =>
  // The connection of `exec` ends with the container.
  exec(service, 'node', '-e', `${child}process.kill(Number(pid), 'SIGKILL')`).catch(() => '')

/** Kills a store with SIGKILL, keeps it down for a moment, and starts it. Resolves when it is healthy. */
export const killAndStart = async (
  { docker, idOf, inspect }: ComposeProject,
  store: string,
  down: () => Promise<void>,
) => {
  const id = await idOf(store)
  await docker('kill', '--signal', 'KILL', id)
  await down()
  await docker('start', id)
  await eventually(healthyMs, async () => assert.equal((await inspect(store)).State.Health.Status, 'healthy'))
}
