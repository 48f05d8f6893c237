/** The obvious implementation of the catalog: one query per request, without limits or checks; logs and metrics as in observed.ts. */

import { callbackify } from 'node:util'
import { type handleUnaryCall, Server, ServerCredentials, status } from '@grpc/grpc-js'
import {
  type Product,
  type ProductServiceServer,
  ProductServiceService,
} from '@shop/contracts/product/product.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { Pool } from 'pg'
import { createObservedApp, type Observe } from './observed.ts'

type Row = { price: string; created_at: Date; updated_at: Date } & Record<string, unknown>
type Page = { Querystring: { limit?: string } }

const columns = 'id, name, description, price, stock, category, version, created_at, updated_at'

const productOf = (row: Row) => ({ ...row, price: Number(row.price) })

const messageOf = (row: Row) =>
  ({
    ...productOf(row),
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }) as unknown as Product

const unary = <Request, Response>(
  observe: Observe | undefined,
  respond: (request: Request) => Promise<Response>,
): handleUnaryCall<Request, Response> => {
  const respondTo = callbackify(respond)
  return (call, callback) => {
    const startTime = performance.now()
    respondTo(call.request, (error, response) => {
      callback(error && { code: status.INTERNAL }, response)
      const fields = { route: call.getPath(), status: error ? status.INTERNAL : status.OK }
      observe?.(fields, (performance.now() - startTime) / 1_000)
    })
  }
}

await run(async () => {
  const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 10 })
  const select = async (name: string, rest: string, values: unknown[]): Promise<Row[]> =>
    (await pool.query({ name, text: `select ${columns} from products ${rest}`, values })).rows
  const list = async (...query: Parameters<typeof select>) => {
    const products = (await select(...query)).map(productOf)
    return { products, count: products.length, next_cursor: null }
  }

  const { app, observe } = createObservedApp()
  app.get<{ Params: { id: string } }>('/products/:id', async ({ params }, reply) => {
    const [row] = await select('one', 'where id = $1', [params.id])
    return row ? productOf(row) : reply.code(404).send({ message: 'not found' })
  })
  app.get<Page>('/products', ({ query }) => list('page', 'order by id limit $1', [query.limit ?? 100]))
  app.get('/products/top-10', () => list('top', 'order by price desc, id desc limit $1', [10]))
  app.get<Page>('/products/low-stock-10', ({ query }) =>
    list('low', 'where stock <= $1 order by stock, id limit $2', [10, query.limit ?? 100]),
  )
  app.get<Page & { Params: { category: string } }>('/products/category/:category', ({ params, query }) =>
    list('category', 'where category = $1 order by id limit $2', [params.category, query.limit ?? 100]),
  )
  app.post<{ Body: Record<string, unknown> }>('/products', async ({ body }, reply) => {
    const values = [body['name'], body['description'], body['price'], body['stock'], body['category']]
    const { rows } = await pool.query({
      name: 'insert',
      text: `insert into products (name, description, price, stock, category) values ($1, $2, $3, $4, $5) returning ${columns}`,
      values,
    })
    return reply.code(201).send(productOf(rows[0]))
  })
  app.put<{ Params: { id: string }; Body: Record<string, unknown> }>(
    '/products/:id',
    async ({ params, body }) => {
      const values = [
        body['name'],
        body['description'],
        body['price'],
        body['stock'],
        body['category'],
        params.id,
      ]
      const { rows } = await pool.query({
        name: 'update',
        text: `update products set name = $1, description = $2, price = $3, stock = $4, category = $5, version = version + 1, updated_at = now() where id = $6 returning ${columns}`,
        values,
      })
      return productOf(rows[0])
    },
  )
  await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) })

  const grpc = new Server()
  const service = {
    getProduct: unary(observe, async ({ id }) => {
      const [row] = await select('one', 'where id = $1', [id])
      return { product: row && messageOf(row) }
    }),
    batchGetProducts: unary(observe, async ({ ids }) => {
      const rows = await select('many', 'where id = any($1)', [ids])
      return { products: rows.map(messageOf) }
    }),
  } satisfies Partial<ProductServiceServer>
  grpc.addService(ProductServiceService, service)
  await new Promise((resolve) =>
    grpc.bindAsync(`127.0.0.1:${process.env['GRPC_PORT']}`, ServerCredentials.createInsecure(), resolve),
  )

  await new Promise((resolve) => process.once('SIGTERM', resolve))
  grpc.forceShutdown()
  await app.close()
  await pool.end()
})
