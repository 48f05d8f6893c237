import assert from 'node:assert/strict'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { request } from '@shop/testing/services/http.ts'
import { type ComposeProject, composeProject, copyOfTree, lastRelease } from './project.ts'
import { operationsUrls, operatorOf, productsOf, untilHealthy } from './shop.ts'
import { stepsOf } from './steps.ts'

const name = `shop-upgrade-${process.pid}`
let release: ComposeProject | undefined
let current: ComposeProject | undefined
const step = stepsOf(() => current)

describe('docker-compose.yml, on the volumes of the last release', () => {
  before(async () => {
    release = await composeProject(name, lastRelease, ['product-service', 'basket-service'])
    current = await composeProject(
      name,
      copyOfTree,
      ['product-service', 'basket-service', 'migrate', 'admin'],
      release,
    )
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => void release?.[Symbol.asyncDispose]().finally(() => process.exit(1)))
  })
  after(async () => {
    await current?.[Symbol.asyncDispose]()
    await release?.[Symbol.asyncDispose]()
  })
  const urls = () => [current?.urlOf('PRODUCT_PORT') ?? '', current?.urlOf('BASKET_PORT') ?? ''] as const
  /** The last release ignores the credentials. */
  const asOperator = async (method: string, url: string, body?: unknown) =>
    await request(method, url, body, current && operatorOf(current))
  const basketOf = async (user: string) => (await asOperator('GET', `${urls()[1]}/baskets/${user}`)).body
  const stored: { products: unknown[]; basket: unknown } = { products: [], basket: undefined }

  step('starts the last release, with its own files and .env, and shops', async () => {
    assert.ok(release)
    await writeFile(join(release.folder, '.env'), 'DB_PASSWORD=of0the0last0release\n')
    await release.make('docker-build')
    // Without --wait: its health check has three seconds, which a busy machine may exceed.
    await release.compose('up', '--detach')
    await untilHealthy(...urls())
    for (const index of [1, 2, 3]) {
      const product = { name: `Old ${index}`, price: index, stock: 10, category: 'Old' }
      assert.equal((await request('POST', `${urls()[0]}/products`, product)).status, 201)
    }
    assert.equal((await request('PATCH', `${urls()[0]}/products/2`, { price: 2.5 })).status, 200)
    const line = { product_id: 2, quantity: 2 }
    assert.equal((await request('POST', `${urls()[1]}/baskets/ann/items`, line)).status, 200)
    stored.products = await productsOf(urls()[0])
    stored.basket = (await request('GET', `${urls()[1]}/baskets/ann`)).body
  })

  step('starts this version over them with make docker-build docker-run alone', async (project) => {
    assert.ok(release)
    await cp(join(release.folder, '.env'), join(project.folder, '.env'))
    await project.make('docker-build', 'docker-run')
    await untilHealthy(...operationsUrls(project))
  })

  step('has the products and baskets of before', async () => {
    const products = await productsOf(urls()[0])
    assert.equal(products.length, 3)
    // This version has further members.
    assert.partialDeepStrictEqual(products, stored.products)
    assert.partialDeepStrictEqual(await basketOf('ann'), stored.basket)
  })

  step('changes and adds products and baskets', async () => {
    const product = { name: 'New', price: 4 }
    assert.equal((await request('POST', `${urls()[0]}/products`, product)).status, 401)
    const { body, status } = await asOperator('POST', `${urls()[0]}/products`, product)
    assert.equal(status, 201)
    assert.ok(body.id > 3)
    assert.equal((await asOperator('PATCH', `${urls()[0]}/products/2`, { stock: 11 })).body.version, 3)
    const line = { product_id: 2, quantity: 1 }
    const { body: basket } = await asOperator('POST', `${urls()[1]}/baskets/ann/items`, line)
    assert.equal(basket.item_count, 3)
  })

  step('runs with roles that are no superusers', async ({ exec }) => {
    const sql =
      "select usename, usesuper from pg_stat_activity join pg_user using (usename) where application_name = 'product-service' group by 1, 2"
    const sessions = await exec('postgres', 'psql', '-U', 'postgres', '-tAc', sql)
    assert.equal(sessions, 'shop|f\n')
  })

  step('starts the last release again, after this version', async () => {
    assert.ok(release)
    await release.compose('up', '--detach')
    await untilHealthy(...urls())
    assert.equal((await productsOf(urls()[0])).length, 4)
    assert.equal((await basketOf('ann')).item_count, 3)
  })
})
