import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startCollector } from '@shop/testing/observability/otlp.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'

type Answer = Readonly<{ status: number; body: string; location: string | undefined }>

/** Sends a request with exactly this path: `fetch` would normalize it. */
const sendRaw = async (url: string, method: string, path: string, body?: unknown, headers = {}) => {
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const sent = httpRequest(url, { method, path, headers: { ...type, ...headers }, timeout: 20_000 })
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const answer = { status: response.statusCode ?? 0, body: await text(response) }
  return { ...answer, location: response.headers.location } satisfies Answer
}

const everyCharacter = (id: string) => Buffer.from(id).toString('hex').replaceAll(/../g, '%$&')

/** Paths that name the guest, with a route and without, as clients and proxies write and miswrite them. */
const pathsTo = (guest: string): readonly string[] => {
  const ids = [guest, guest.replace(':', '%3A'), guest.replace(':', '%253A'), everyCharacter(guest)]
  return ids.flatMap((id) => [
    `/baskets/${id}`,
    `/baskets/${id}?again=${id}`,
    `/baskets/${id}/items`,
    `/baskets/${id}/items/`,
    `/baskets/${id}/items/7`,
    `/baskets/${id}/items/${id}`,
    `/baskets/${id}/unknown`,
    `/basket/${id}`,
    `/${id}`,
    `//${id}//`,
    `/baskets/${id}%zz`,
    `/baskets/x%2F${id}`,
    `/api;v=${id}/x`,
    `http://localhost/v2/${id}`,
    `/v2/x#${id}`,
    `/v2?basket=${id}`,
  ])
}

const bodies = [
  undefined,
  { product_id: 7, quantity: 1 },
  { product_id: 2_000_000, quantity: 1 },
  { quantity: 0 },
  { quantity: 'x' },
]

/** Sends every kind of request that names the guest. Returns the problems. */
const disturb = async (url: string, guest: string): Promise<string[]> => {
  const names = { referer: `${url}/baskets/${guest}`, cookie: `basket=${guest}`, 'user-agent': guest }
  const problems: string[] = []
  const send = async (...[method, path, body, headers]: [string, string, unknown?, object?]) => {
    const answer = await sendRaw(url, method, path, body, { ...names, ...headers })
    if (answer.status >= 400) problems.push(answer.body)
  }
  for (const path of pathsTo(guest))
    for (const method of ['GET', 'POST', 'PUT', 'PROPFIND'])
      for (const body of method === 'GET' || method === 'PROPFIND' ? [undefined] : bodies)
        await send(method, path, body)
  await send('POST', '/baskets', { user_id: guest, guest: true })
  await send('POST', '/baskets', { user_id: `${guest}/` })
  await send('POST', '/baskets', { user_id: guest }, { 'if-none-match': '*' })
  await send('POST', `/baskets/${guest}/items`, 'x'.repeat(70_000))
  await send('POST', `/baskets/${guest}/items`, undefined, { 'content-type': 'text/csv' })
  await send('DELETE', `/baskets/${guest}/items`, undefined, { 'if-match': '"x"' })
  await send('DELETE', `/baskets/${guest}/items/9`)
  return problems
}

const createGuest = async (url: string): Promise<string> => {
  const { status, body, location } = await sendRaw(url, 'POST', '/baskets', { guest: true })
  assert.equal(status, 201)
  const guest: string = JSON.parse(body).user_id
  assert.match(guest, /^guest:[\w-]{22}$/)
  assert.equal(location, `/baskets/${guest}`)
  return guest
}

/** Asserts that no text has the secret of a guest, percent-encoded or not. */
const assertAbsent = (guests: readonly string[], texts: Readonly<Record<string, string>>) => {
  for (const [name, found] of Object.entries(texts)) {
    const decoded = found.replaceAll(/%(?:25)*([0-7][0-9a-f])/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    for (const guest of guests)
      for (const line of decoded.split('\n')) assert.ok(!line.includes(guest.slice(6)), `${name}: ${line}`)
  }
}

test('no trace of the id of a guest is in logs, traces, metrics or problems, whatever is sent and whatever fails', {
  skip: withoutPostgres || withoutOwnRedis,
}, async () => {
  await using stack = new AsyncDisposableStack()
  const schema = stack.use(await ownSchema())
  const collector = stack.use(await startCollector())
  const redisPort = await freePort()
  let redis = startRedis(redisPort)
  stack.defer(() => redis.kill())
  const [grpcPort, common] = [
    String(await freePort()),
    { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '100', LOG_LEVEL: 'trace' },
  ]
  const product = await startService('product', { ...common, DATABASE_URL: schema.url, GRPC_PORT: grpcPort })
  stack.use(product)
  const startBasket = (LOG_FORMAT: string) =>
    startService('basket', {
      ...common,
      LOG_FORMAT,
      REDIS_URL: `redis://127.0.0.1:${redisPort}`,
      PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
    })
  const [json, plain] = await Promise.all([startBasket('json'), startBasket('text')])
  const baskets = [stack.use(json), stack.use(plain)]
  const created = await sendRaw(product.url, 'POST', '/products', { name: 'Emma', price: 1, stock: 5 })
  const { id } = JSON.parse(created.body)

  const [guests, problems, metrics] = [[] as string[], [] as string[], [] as string[]]
  for (const { url } of baskets) {
    const guest = await createGuest(url)
    guests.push(guest)
    const add = () => sendRaw(url, 'POST', `/baskets/${guest}/items`, { product_id: id, quantity: 2 })
    assert.equal((await add()).status, 200)
    assert.equal((await add()).status, 200)
    problems.push((await add()).body, ...(await disturb(url, guest)))
  }
  assert.equal(await product.stop(), 0)
  for (const [index, { url }] of baskets.entries())
    problems.push(...(await disturb(url, guests[index] ?? '')))
  await redis.kill()
  for (const [index, { url }] of baskets.entries()) {
    problems.push(...(await disturb(url, guests[index] ?? '')))
    metrics.push((await sendRaw(url, 'GET', '/metrics')).body)
  }
  redis = startRedis(redisPort)
  for (const { url } of baskets)
    await eventually(20_000, async () =>
      assert.equal((await sendRaw(url, 'GET', '/health/ready')).status, 200),
    )
  for (const basket of baskets) assert.equal(await basket.stop(), 0)

  const texts = {
    problems: problems.join('\n'),
    metrics: metrics.join('\n'),
    traces: collector.receivedText(),
    'JSON lines': json.output(),
    'text lines': plain.output(),
    'lines of the product service': product.output(),
  }
  // The run has been recorded, with what stands in place of the ids.
  assert.match(texts.problems, /"instance":"\/baskets\/\*\*\*\/items"/)
  assert.match(texts.problems, /"code":"insufficient_stock".*"code":"unavailable"/s)
  assert.match(texts['JSON lines'], /"path":"\/basket\/\*\*\*"/)
  assert.match(texts['text lines'], /\/v2\/\*\*\*/)
  assert.match(texts.traces, /POST \/baskets\/:user_id\/items.*\/basket\/\*\*\*/s)
  assert.match(texts.metrics, /http_route="\/baskets\/:user_id\/items"/)
  assertAbsent(guests, texts)
})
