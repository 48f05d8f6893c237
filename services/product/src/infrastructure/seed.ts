import { decimalText } from '@shop/kernel/money.ts'
import { sql } from 'kysely'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { newProduct, type ProductFields } from '../domain/product.ts'
import { byId, type ProductReader } from '../domain/product-reader.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
import type { Database } from './products-table.ts'

const samples: readonly ProductFields[] = [
  { name: '1984', description: 'A novel by George Orwell', price: 14_99n, stock: 75, category: 'Books' },
  {
    name: 'The Hobbit',
    description: 'A novel by J. R. R. Tolkien',
    price: 16_50n,
    stock: 40,
    category: 'Books',
  },
  {
    name: 'Laptop',
    description: '14 inch, 32 GB of memory',
    price: 1_299_00n,
    stock: 12,
    category: 'Electronics',
  },
  { name: 'Smartphone', description: '6.1 inch, 256 GB', price: 799_00n, stock: 25, category: 'Electronics' },
  {
    name: 'Headphones',
    description: 'Wireless, noise cancelling',
    price: 249_95n,
    stock: 8,
    category: 'Electronics',
  },
  { name: 'Coffee Maker', description: 'Drip, 1.2 litres', price: 79_90n, stock: 30, category: 'Home' },
  { name: 'Desk Lamp', description: 'LED, dimmable', price: 34_50n, stock: 1, category: 'Home' },
  {
    name: 'Running Shoes',
    description: 'Neutral, for the road',
    price: 119_00n,
    stock: 18,
    category: 'Sports',
  },
  { name: 'Yoga Mat', description: 'Natural rubber, 4 mm', price: 45_00n, stock: 60, category: 'Sports' },
  { name: 'T-Shirt', description: 'Organic cotton', price: 19_90n, stock: 200, category: 'Clothing' },
]

/** Adds ten sample products to an empty catalog. Resolves with the number added. */
export const seedSamples = async (
  products: Pick<ProductRepository, 'add'>,
  reader: Pick<ProductReader, 'list'>,
): Promise<number> => {
  const { products: first } = await reader.list({ sort: byId, limit: 1 })
  if (first.length > 0) return 0
  for (const sample of samples) await products.add(newProduct(sample))
  return samples.length
}

const qualities = [
  'Classic',
  'Modern',
  'Compact',
  'Deluxe',
  'Light',
  'Sturdy',
  'Smart',
  'Vintage',
  'Soft',
  'Bright',
]
const things: readonly (readonly [category: string, name: string])[] = [
  ['Books', 'Novel'],
  ['Books', 'Atlas'],
  ['Electronics', 'Radio'],
  ['Electronics', 'Camera'],
  ['Home', 'Kettle'],
  ['Home', 'Chair'],
  ['Sports', 'Ball'],
  ['Sports', 'Racket'],
  ['Clothing', 'Jacket'],
  ['Clothing', 'Scarf'],
  ['Garden', 'Spade'],
  ['Garden', 'Lantern'],
  ['Toys', 'Puzzle'],
  ['Toys', 'Kite'],
  ['Music', 'Guitar'],
  ['Music', 'Flute'],
]

/**
 * Generates products endlessly; the same seed yields the same products. About one in twenty is out of stock.
 */
export function* generateProducts(seed: number): Generator<ProductFields, never> {
  const random = xoroshiro128plus(seed)
  const randomUpTo = (max: number) => uniformInt(random, 0, max)
  for (let number = 1; ; number++) {
    const [category, thing] = things[randomUpTo(things.length - 1)] ?? ['', 'Thing']
    const { fields } = newProduct({
      name: `${qualities[randomUpTo(qualities.length - 1)]} ${thing} ${number}`,
      description: `${thing}, model ${number}`,
      price: BigInt(99 + randomUpTo(9) * randomUpTo(20_000)),
      stock: randomUpTo(19) === 0 ? 0 : randomUpTo(500),
      category,
    })
    yield fields
  }
}

const batchSize = 5_000

/** Stores `count` generated products, in batches. `onProgress` receives the number stored so far. */
export const seedGenerated = async (
  database: Database,
  {
    count,
    seed,
    onProgress,
  }: Readonly<{ count: number; seed: number; onProgress: (stored: number) => void }>,
): Promise<void> => {
  const products = generateProducts(seed)
  for (let stored = 0; stored < count; ) {
    const batch = Array.from({ length: Math.min(batchSize, count - stored) }, () => products.next().value)
    await sql`
      insert into products (name, description, price, stock, category)
      select * from unnest(
        ${batch.map(({ name }) => name)}::text[],
        ${batch.map(({ description }) => description)}::text[],
        ${batch.map(({ price }) => decimalText(price))}::numeric[],
        ${batch.map(({ stock }) => stock)}::integer[],
        ${batch.map(({ category }) => category)}::text[]
      )
    `.execute(database)
    stored += batch.length
    onProgress(stored)
  }
}
