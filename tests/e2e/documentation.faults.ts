import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { type Browser, chromium, type Page } from 'playwright-core'

/** Of Debian, and of the machines of GitHub. */
const browsers = ['/usr/bin/chromium', '/usr/bin/google-chrome']

const openBrowser = (): Promise<Browser> => {
  const executablePath = browsers.find((path) => existsSync(path))
  assert.ok(executablePath, `this test needs one of ${browsers.join(', ')}`)
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ]
  return chromium.launch({ executablePath, args })
}

/** Everything that the page reports, and the origins that it sends requests to. */
const watch = (page: Page) => {
  const reports: string[] = []
  const origins = new Set<string>()
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) reports.push(message.text())
  })
  page.on('pageerror', (error) => reports.push(String(error)))
  page.on('request', (sent) => origins.add(new URL(sent.url()).origin))
  return { reports, origins }
}

/** Executes every operation as offered, from top to bottom. Resolves with the requests and their statuses. */
const executeAll = async (page: Page): Promise<readonly string[]> => {
  const results: string[] = []
  for (const operation of await page.locator('.opblock').all()) {
    await operation.locator('.opblock-summary-control').click()
    await operation.getByRole('button', { name: 'Try it out' }).click()
    const answered = page.waitForResponse(() => true)
    await operation.getByRole('button', { name: 'Execute' }).click()
    const response = await answered
    const { pathname, search } = new URL(response.url())
    await operation
      .locator(`.live-responses-table .response-col_status:text("${response.status()}")`)
      .waitFor()
    results.push(`${response.status()} ${response.request().method()} ${pathname}${search}`)
    await operation.locator('.opblock-summary-control').click()
  }
  return results
}

/** Gives the page credentials, as a person does. */
const authorize = async (page: Page, credentials: string): Promise<void> => {
  await page.getByRole('button', { name: 'Authorize' }).first().click()
  await page.getByLabel('auth-bearer-value').fill(credentials)
  await page.getByRole('button', { name: 'Apply credentials' }).click()
  await page.getByRole('button', { name: 'Close' }).last().click()
}

const operations = ['200 GET /health', '200 GET /health/ready', '200 GET /health/live', '200 GET /metrics']

it('the documentation pages work in a browser, without reports, other origins or anything to fill in', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'documentation-'))
  const [grpcPort, basketPort] = [String(await freePort()), String(await freePort())]
  await using product = await startService('product', {
    DATA_DIR: folder.path,
    GRPC_PORT: grpcPort,
    RELATED_DOCS_URL: `http://127.0.0.1:${basketPort}/docs`,
  })
  await using basket = await startService('basket', {
    DATA_DIR: folder.path,
    PORT: basketPort,
    PRODUCT_SERVICE_URL: `localhost:${grpcPort}`,
  })
  await using browser = await openBrowser()
  const page = await browser.newPage()
  const { reports, origins } = watch(page)

  await page.goto(product.url)
  await page.locator('.opblock').last().waitFor()
  assert.equal(page.url(), `${product.url}/docs`)
  assert.equal(await page.title(), 'Product service – API documentation')
  // Locks at operations would be closed where no credentials are needed.
  const locks = await page.locator('.opblock .authorization__btn').all()
  assert.ok(locks.length > 0)
  for (const lock of locks) assert.equal(await lock.isVisible(), false)
  assert.deepEqual(await executeAll(page), [
    '200 GET /products?limit=100&sort=id',
    '200 GET /products/top-5',
    '200 GET /products/low-stock-10?limit=100',
    '200 GET /products/category/Books?limit=100',
    '200 GET /products/1',
    '201 POST /products',
    '200 PUT /products/1',
    '200 PATCH /products/1',
    '204 DELETE /products/10',
    ...operations,
  ])
  assert.deepEqual([reports, [...origins]], [[], [product.url]])

  await page.getByRole('link', { name: 'Basket service' }).click()
  await page.locator('.opblock').last().waitFor()
  assert.equal(await page.title(), 'Basket service – API documentation')
  assert.deepEqual(await executeAll(page), [
    '201 POST /baskets',
    '200 POST /baskets/user123/items',
    '200 GET /baskets/user123',
    '200 PATCH /baskets/user123/items',
    '200 PUT /baskets/user123/items/1',
    '200 DELETE /baskets/user123/items/1',
    '200 DELETE /baskets/user123/items',
    '204 DELETE /baskets/user123',
    ...operations,
  ])
  assert.deepEqual([reports, [...origins]], [[], [product.url, basket.url]])

  // On a phone, the page is not wider than the screen.
  await page.setViewportSize({ width: 390, height: 844 })
  assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 390)
})

it('the documentation pages take credentials, and keep them in memory only', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'documentation-'))
  const key = `shop_${randomBytes(32).toString('base64url')}`
  const keys = join(folder.path, 'api-keys')
  await writeFile(keys, `office ${hash('sha256', key)} baskets:any\n`, { mode: 0o600 })
  await using basket = await startService('basket', {
    DATA_DIR: folder.path,
    AUTH: 'keys',
    API_KEYS_FILE: keys,
    PRODUCT_SERVICE_URL: '127.0.0.1:1',
  })
  await using browser = await openBrowser()
  const page = await browser.newPage()
  const { reports, origins } = watch(page)
  const createBasket = async () => {
    const operation = page.locator('.opblock').first()
    await operation.locator('.opblock-summary-control').click()
    await operation.getByRole('button', { name: 'Try it out' }).click()
    const answered = page.waitForResponse(() => true)
    await operation.getByRole('button', { name: 'Execute' }).click()
    return (await answered).status()
  }

  await page.goto(`${basket.url}/docs`)
  await page.locator('.opblock').last().waitFor()
  await authorize(page, key)
  assert.equal(await createBasket(), 201)
  assert.deepEqual([reports, [...origins]], [[], [basket.url]])
  const kept = 'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])'
  assert.equal(await page.evaluate(kept), '[{},{},""]')

  // Not a reload: that would show the operation opened.
  await page.goto('about:blank')
  await page.goto(`${basket.url}/docs`)
  await page.locator('.opblock').last().waitFor()
  assert.equal(await createBasket(), 401)
})
