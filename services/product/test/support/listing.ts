import * as fc from 'fast-check'
import { sql } from 'kysely'
import type { Product } from '../../src/domain/product.ts'
import type { ProductListing, ProductReader, ProductSort, SortKey } from '../../src/domain/product-reader.ts'
import type { Database } from '../../src/infrastructure/products-table.ts'

/** Up to 25 products with few distinct values, so that ties are common. */
export const anyProducts: fc.Arbitrary<Product[]> = fc.uniqueArray(
  fc.record(
    {
      id: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2_147_483_647 })),
      // U+FF5E sorts before the emoji by code point, but after it by UTF-16 code unit; é sorts after z.
      name: fc.constantFrom('a', 'A', 'b', 'aa', 'a b', 'z', 'é', '\uff5e', '\u{1F600}'),
      description: fc.constant(''),
      price: fc.constantFrom(0n, 1n, 99n, 9_00n, 10_00n, 999_999_999_999n),
      stock: fc.constantFrom(0, 1, 2, 10, 2_147_483_647),
      category: fc.constantFrom('', 'Home', 'home', 'Home '),
      groupId: fc.constantFrom(null, 'a', 'A', 'a b'),
      version: fc.integer({ min: 1, max: 9 }),
      createdAt: fc.constantFrom(0, 1, 999, 1_795_341_600_123).map((ms) => new Date(ms)),
      updatedAt: fc.constant(new Date(1_795_341_600_456)),
    },
    { noNullPrototype: true },
  ),
  { selector: ({ id }) => id, maxLength: 25 },
)

/** Stores products with their ids and times. Replaces the existing products unless `keepExisting` is set. */
export const insertProducts = async (
  database: Database,
  products: readonly Product[],
  { keepExisting = false } = {},
): Promise<void> => {
  if (!keepExisting) await database.deleteFrom('products').execute()
  const rows = products.map(({ price, groupId, createdAt, updatedAt, ...row }) => ({
    ...row,
    group_id: groupId,
    price: `${price}e-2`,
    created_at: createdAt,
    updated_at: updatedAt,
  }))
  await sql`
    insert into products (id, name, description, price, stock, category, group_id, version, created_at, updated_at)
    select id, name, description, price, stock, category, group_id, version, created_at, updated_at
    from json_populate_recordset(null::products, cast(${JSON.stringify(rows)} as text)::json)
  `.execute(database)
}

const compare = <Value extends number | bigint>(one: Value, other: Value): number =>
  one < other ? -1 : one > other ? 1 : 0

const comparisons: Readonly<Record<SortKey, (one: Product, other: Product) => number>> = {
  id: () => 0,
  price: (one, other) => compare(one.price, other.price),
  stock: (one, other) => compare(one.stock, other.stock),
  // UTF-8 bytes sort in code point order.
  name: (one, other) => Buffer.from(one.name).compare(Buffer.from(other.name)),
  createdAt: (one, other) => compare(one.createdAt.getTime(), other.createdAt.getTime()),
}

/** Reference implementation: returns the products in the order of a list with this sort. */
export const sortProducts = ({ by, descending }: ProductSort, products: readonly Product[]): Product[] => {
  const ascending = products.toSorted(
    (one, other) => comparisons[by](one, other) || compare(one.id, other.id),
  )
  return descending ? ascending.toReversed() : ascending
}

/** Reads a whole list page by page. */
export const readAllPages = async (
  reader: Pick<ProductReader, 'list'>,
  listing: Omit<ProductListing, 'after'>,
  betweenPages: () => Promise<void> = async () => {},
): Promise<Product[]> => {
  const products: Product[] = []
  let after: ProductListing['after']
  do {
    const page = await reader.list({ ...listing, after })
    products.push(...page.products)
    after = page.next
    if (after !== undefined && page.products.length !== listing.limit)
      throw new Error('a page is not full although another page follows')
    if (products.length > 1_000) throw new Error('the list has more than 1,000 products')
    await betweenPages()
  } while (after !== undefined)
  return products
}

/** Reads a whole list as pages, which may have fewer products than their limit. */
export const readPages = async (
  reader: Pick<ProductReader, 'list'>,
  listing: Omit<ProductListing, 'after'>,
): Promise<(readonly Product[])[]> => {
  const pages: (readonly Product[])[] = []
  let after: ProductListing['after']
  do {
    const page = await reader.list({ ...listing, after })
    pages.push(page.products)
    after = page.next
    if (pages.length > 1_000) throw new Error('the list has more than 1,000 pages')
  } while (after !== undefined)
  return pages
}
