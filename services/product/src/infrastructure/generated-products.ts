import { runText } from '@shop/postgres/statements/text.ts'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { newProduct, type ProductFields } from '../domain/product.ts'
import { withFreeIds } from './postgres-product-ids.ts'
import type { Database } from './products-table.ts'
import { arrayParameters, arraysOf, columnNames } from './writing/columns.ts'

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
 * Generates products endlessly; the same seed yields the same products. About one in twenty is out of stock. Of four
 * products, three are of one group.
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
      groupId: number % 4 === 0 ? null : `model-${Math.floor(number / 4)}`,
    })
    yield fields
  }
}

const batchSize = 5_000
const insertBatch = `insert into products (${columnNames}) select * from unnest(${arrayParameters(1)})`

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
    await withFreeIds(database, () => runText(database, insertBatch, arraysOf(batch)))
    stored += batch.length
    onProgress(stored)
  }
}
