import type { HttpRequest } from './support/load.ts'

/**
 * The data that requests refer to: the number of stored products, the ids of products that never run out of
 * stock, and the users.
 */
export type Stock = Readonly<{ products: number; plentiful: readonly number[]; users: readonly string[] }>

type Scenario = Readonly<{
  name: string
  requests: (stock: Stock) => readonly HttpRequest[]
  /** The benchmark program of the database, if it can do the same work. */
  engine?: 'pgbench' | 'redis-benchmark'
  /** Removes all baskets before every run. */
  freshBaskets?: true
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

export const catalogScenarios: readonly Scenario[] = [
  {
    name: 'get by id',
    requests: ({ products }) => many(requestCount, () => get(`/products/${uniformId(products)}`)),
    engine: 'pgbench',
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
  { name: 'create', requests: () => [{ method: 'POST', path: '/products', body }] },
  {
    name: 'update',
    requests: ({ products }) =>
      many(requestCount, () => ({ method: 'PUT', path: `/products/${uniformId(products)}`, body })),
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
  { name: 'basket get', requests: basketReads, engine: 'redis-benchmark' },
  { name: 'add, same line', requests: sameLine },
  {
    name: 'add, new line',
    requests: ({ users, plentiful }) =>
      plentiful.flatMap((product) => users.map((user) => addItem(user, product))),
    freshBaskets: true,
  },
]

/** The requests for a load of 80 % catalog reads, 10 % basket reads and 10 % adds to baskets. */
export const shoppingMix = (stock: Stock) => ({
  catalog: many(requestCount, (index) =>
    get(index % 8 === 0 ? '/products?limit=20' : `/products/${zipfId(stock.products)}`),
  ),
  baskets: basketReads(stock).flatMap((read, index) => [read, sameLine(stock)[index] ?? read]),
})
