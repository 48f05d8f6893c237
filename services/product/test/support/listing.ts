import * as fc from 'fast-check'
import { sql } from 'kysely'
import type { Product } from '../../src/domain/product.ts'
import type { ProductListing, ProductReader, ProductSort, SortKey } from '../../src/domain/product-reader.ts'
import type { Database } from '../../src/infrastructure/products-table.ts'

/** Up to 25 products of few different values, so that there are many ties. */
export const someProducts: fc.Arbitrary<Product[]> = fc.uniqueArray(
  fc.record(
    {
      id: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2_147_483_647 })),
      // U+FF5E comes before the emoji by code point, and after it by UTF-16 unit; é comes after z.
      name: fc.constantFrom('a', 'A', 'b', 'aa', 'a b', 'z', 'é', '\uff5e', '\u{1F600}'),
      description: fc.constant(''),
      price: fc.constantFrom(0n, 1n, 99n, 9_00n, 10_00n, 999_999_999_999n),
      stock: fc.constantFrom(0, 1, 2, 10, 2_147_483_647),
      category: fc.constantFrom('', 'Home', 'home', 'Home '),
      version: fc.integer({ min: 1, max: 9 }),
      createdAt: fc.constantFrom(0, 1, 999, 1_795_341_600_123).map((ms) => new Date(ms)),
      updatedAt: fc.constant(new Date(1_795_341_600_456)),
    },
    { noNullPrototype: true },
  ),
  { selector: ({ id }) => id, maxLength: 25 },
)

/** Stores products as they are, id and times included: instead of those that are there, or `besides` them. */
export const insertProducts = async (
  database: Database,
  products: readonly Product[],
  { besides = false } = {},
): Promise<void> => {
  if (!besides) await database.deleteFrom('products').execute()
  const rows = products.map(({ price, createdAt, updatedAt, ...row }) => ({
    ...row,
    price: `${price}e-2`,
    created_at: createdAt,
    updated_at: updatedAt,
  }))
  await sql`
    insert into products (id, name, description, price, stock, category, version, created_at, updated_at)
    select id, name, description, price, stock, category, version, created_at, updated_at
    from json_populate_recordset(null::products, cast(${JSON.stringify(rows)} as text)::json)
  `.execute(database)
}

const compare = <Value extends number | bigint>(one: Value, other: Value): number =>
  one < other ? -1 : one > other ? 1 : 0

const comparisons: Readonly<Record<SortKey, (one: Product, other: Product) => number>> = {
  id: () => 0,
  price: (one, other) => compare(one.price, other.price),
  stock: (one, other) => compare(one.stock, other.stock),
  // The bytes of UTF-8 have the order of the code points.
  name: (one, other) => Buffer.from(one.name).compare(Buffer.from(other.name)),
  createdAt: (one, other) => compare(one.createdAt.getTime(), other.createdAt.getTime()),
}

/** The reference: the products as a list of this sort has them. */
export const inOrder = ({ by, descending }: ProductSort, products: readonly Product[]): Product[] => {
  const ascending = products.toSorted(
    (one, other) => comparisons[by](one, other) || compare(one.id, other.id),
  )
  return descending ? ascending.toReversed() : ascending
}

/** All products of a list, page by page. */
export const walk = async (
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
    if (after !== undefined && page.products.length !== listing.limit) throw new Error('a short page')
    if (products.length > 1_000) throw new Error('the list does not end')
    await betweenPages()
  } while (after !== undefined)
  return products
}
