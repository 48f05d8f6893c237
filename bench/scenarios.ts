import type { HttpRequest } from './support/load/http-load.ts'

/**
 * The data that requests refer to: the number of stored products, the ids of products that never run out of
 * stock, and the users.
 */
export type Stock = Readonly<{ products: number; plentiful: readonly number[]; users: readonly string[] }>

export type Scenario = Readonly<{
  name: string
  requests: (stock: Stock) => readonly HttpRequest[]
  /** The benchmark program of the database, if it can do the same work. */
  engine?: 'pgbench' | 'redis-benchmark'
  /** Removes all baskets before every run. */
  freshBaskets?: true
  /** Is measured at every number of connections, not only at the usual one, and with two workers. */
  thorough?: true
}>

const requestCount = 10_000

const many = <Item>(length: number, item: (index: number) => Item): Item[] =>
  Array.from({ length }, (_, index) => item(index))

const get = (path: string): HttpRequest => ({ method: 'GET', path })

export const uniformId = (products: number): number => 1 + Math.floor(Math.random() * products)

/**
 * A random id, distributed by Zipf's law with exponent 1: a few products are very popular. Computed with the
 * inverse of the continuous distribution function.
 */
const zipfId = (products: number): number => Math.floor(products ** Math.random())

const body = { name: 'Kettle', description: 'It boils', price: 24.9, stock: 40, category: 'Home' }

const update = (id: number): HttpRequest => ({ method: 'PUT', path: `/products/${id}`, body })

export const catalogScenarios: readonly Scenario[] = [
  {
    name: 'get by id',
    requests: ({ products }) => many(requestCount, () => get(`/products/${uniformId(products)}`)),
    engine: 'pgbench',
    thorough: true,
  },
  {
    name: 'get by id, Zipf',
    requests: ({ products }) => many(requestCount, () => get(`/products/${zipfId(products)}`)),
    engine: 'pgbench',
  },
  { name: 'first page', requests: () => [get('/products?limit=20')] },
  { name: 'top-10', requests: () => [get('/products/top-10')] },
  { name: 'low-stock', requests: () => [get('/products/low-stock-10?limit=20')] },
  { name: 'category', requests: () => [get('/products/category/Books?limit=20')] },
  { name: 'create', requests: () => [{ method: 'POST', path: '/products', body }], thorough: true },
  {
    name: 'update',
    requests: ({ products }) => many(requestCount, () => update(uniformId(products))),
    thorough: true,
  },
]

const addItem = (user: string | undefined, product: number | undefined): HttpRequest => ({
  method: 'POST',
  path: `/baskets/${user}/items`,
  body: { product_id: product, quantity: 1 },
})

const basketReads = ({ users }: Stock): HttpRequest[] => users.map((user) => get(`/baskets/${user}`))

const sameLine = ({ users, plentiful }: Stock): HttpRequest[] =>
  users.map((user) => addItem(user, plentiful[0]))

export const basketScenarios: readonly Scenario[] = [
  { name: 'basket get', requests: basketReads, engine: 'redis-benchmark', thorough: true },
  { name: 'adds to many baskets', requests: sameLine, thorough: true },
  {
    // A line takes at most 999 pieces, so the adds take turns with 20 lines, of a new basket each time.
    name: 'adds to one basket',
    requests: ({ users, plentiful }) => plentiful.map((product) => addItem(users[0], product)),
    freshBaskets: true,
    thorough: true,
  },
  {
    name: 'adds of new lines',
    requests: ({ users, plentiful }) =>
      plentiful.flatMap((product) => users.map((user) => addItem(user, product))),
    freshBaskets: true,
  },
]

/**
 * A shop in use: of 100 requests, 68 get a product, 10 a list, and 2 update a product; 10 get a basket, and 10
 * add to one. In random order, as requests for the catalog or for the baskets.
 */
export const shoppingMix = ({ products, plentiful, users }: Stock) =>
  many(requestCount, () => {
    const draw = Math.random() * 100
    const user = users[Math.floor(Math.random() * users.length)]
    if (draw < 68) return { to: 'catalog', request: get(`/products/${zipfId(products)}`) } as const
    if (draw < 78) return { to: 'catalog', request: get('/products?limit=20') } as const
    if (draw < 80) return { to: 'catalog', request: update(uniformId(products)) } as const
    if (draw < 90) return { to: 'baskets', request: get(`/baskets/${user}`) } as const
    return { to: 'baskets', request: addItem(user, plentiful[0]) } as const
  })
