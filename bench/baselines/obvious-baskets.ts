/**
 * The obvious implementation of baskets: get the product, then read, change and write the basket. Two
 * concurrent writers can lose an item. Logs and metrics as in observed.ts.
 */

import { credentials } from '@grpc/grpc-js'
import { createClient } from '@redis/client'
import { type ProductResponse, ProductServiceClient } from '@shop/contracts/product/product.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { createObservedApp } from './observed.ts'

type Item = { product_id: number; name: string; price: number; quantity: number; category: string }
type Basket = { user_id: string; items: Item[]; created_at: string; updated_at: string }
type ForUser = { Params: { user_id: string } }

const keyOf = (user: string) => `obvious:${user}`

const basketJson = (basket: Basket) => ({
  ...basket,
  items: basket.items.map((item) => ({ ...item, subtotal: item.price * item.quantity })),
  total: basket.items.reduce((sum, { price, quantity }) => sum + price * quantity, 0),
  item_count: basket.items.reduce((sum, { quantity }) => sum + quantity, 0),
})

await run(async () => {
  const redis = await createClient({ url: String(process.env['REDIS_URL']) }).connect()
  const products = new ProductServiceClient(
    String(process.env['PRODUCT_SERVICE_URL']),
    credentials.createInsecure(),
  )
  const find = (id: number): Promise<ProductResponse> =>
    new Promise((resolve, reject) => {
      products.getProduct({ id }, (error, response) => (error ? reject(error) : resolve(response)))
    })
  const read = async (user: string): Promise<Basket | undefined> => {
    const text = await redis.get(keyOf(user))
    return text === null ? undefined : (JSON.parse(text) as Basket)
  }

  const { app } = createObservedApp()
  app.get('/health', () => 'fine')
  app.get<ForUser>('/baskets/:user_id', async ({ params }, reply) => {
    const basket = await read(params.user_id)
    return basket ? basketJson(basket) : reply.code(404).send({ message: 'not found' })
  })
  app.post<ForUser & { Body: { product_id: number; quantity: number } }>(
    '/baskets/:user_id/items',
    async ({ params: { user_id }, body }) => {
      const { product } = await find(body.product_id)
      if (product === undefined) throw new Error('no such product')
      const now = new Date().toISOString()
      const basket = (await read(user_id)) ?? { user_id, items: [], created_at: now, updated_at: now }
      const { id, name, price, category } = product
      const item = basket.items.find(({ product_id }) => product_id === id)
      if (item === undefined)
        basket.items.push({ product_id: id, name, price, quantity: body.quantity, category })
      else item.quantity += body.quantity
      basket.updated_at = now
      await redis.set(keyOf(user_id), JSON.stringify(basket), { expiration: { type: 'EX', value: 86_400 } })
      return basketJson(basket)
    },
  )
  await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) })
  await new Promise((resolve) => process.once('SIGTERM', resolve))
  await app.close()
  products.close()
  await redis.close()
})
