import { decimalFromCents, maxCents } from '@shop/kernel/money.ts'
import { withDefault } from '@shop/platform/http/openapi.ts'
import { type Static, type TSchema, Type } from 'typebox'
import { limits, type Product, type ProductFields } from '../../domain/product.ts'

/** The member of each field that a client can set. */
export const memberNames = {
  name: 'name',
  description: 'description',
  price: 'price',
  stock: 'stock',
  category: 'category',
  groupId: 'group_id',
} as const satisfies Record<keyof ProductFields, string>

type Member = (typeof memberNames)[keyof ProductFields]

/** A schema for every field that a client can set. */
type Fields = Record<Member, TSchema>

const example = {
  name: '1984',
  description: 'A novel by George Orwell',
  price: 14.99,
  stock: 75,
  category: 'Books',
  group_id: null,
} satisfies Record<Member, unknown>

const newExample = {
  ...example,
  name: 'Emma',
  description: 'A novel by Jane Austen',
  price: 11.5,
  stock: 20,
} satisfies Record<Member, unknown>

export const productExample = {
  id: 1,
  ...example,
  currency: 'EUR',
  version: 3,
  created_at: '2026-11-22T09:58:00.123Z',
  updated_at: '2026-11-22T09:58:00.123Z',
}

const priceRange = {
  minimum: 0,
  maximum: decimalFromCents(maxCents),
  description: 'At most two decimal places',
}
const descriptionText = {
  maxLength: limits.description,
  description: 'No control characters except tab, CR and LF',
}
const categoryText = { maxLength: limits.category, description: 'No control characters' }
const stockRange = { minimum: 0, maximum: limits.integer, description: 'Pieces in stock' }

const nullable = <T>(schema: object) => Type.Unsafe<T | null>(schema)

const groupSchema = {
  type: ['string', 'null'],
  description: 'Products of one group are variants of each other; null: no group',
}
const groupLength = { minLength: 1, maxLength: limits.groupId }

export const ProductId = Type.Integer({
  minimum: 1,
  maximum: limits.integer,
  description: 'Assigned by the service',
  examples: [1],
})

export const ProductJson = Type.Object(
  {
    id: ProductId,
    name: Type.String(),
    description: Type.String(),
    price: Type.Number(priceRange),
    stock: Type.Integer(stockRange),
    category: Type.String(),
    group_id: nullable<string>(groupSchema),
    currency: Type.String({ description: 'The ISO 4217 code of the currency of all prices; read only' }),
    version: Type.Integer({ minimum: 1, description: 'Incremented by every write' }),
    created_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
  } satisfies Fields & Record<string, TSchema>,
  {
    $id: 'Product',
    title: 'Product',
    examples: [productExample],
  },
)

/** The body of POST: every field that a client can set. */
export const ProductBody = Type.Object(
  {
    // The maximum length applies after trimming, so the entity checks it, not the schema.
    name: Type.String({
      minLength: 1,
      description: `1 to ${limits.name} characters after trimming, at least one visible; no control characters`,
    }),
    description: withDefault(Type.String(descriptionText), ''),
    price: Type.Number(priceRange),
    stock: withDefault(Type.Integer(stockRange), 0),
    category: withDefault(Type.String(categoryText), ''),
    // No default: a replacement that leaves it out keeps it, because clients built before it do not send it.
    group_id: Type.Optional(nullable<string>({ ...groupSchema, ...groupLength })),
  } satisfies Fields,
  { title: 'CreateProduct', examples: [newExample] },
)

/** The body of PUT. It has a name of its own in the document, because it may differ from that of POST one day. */
export const ReplacementBody = Type.Object(ProductBody.properties, {
  title: 'ReplaceProduct',
  examples: [example],
})

/** The body of PATCH, a JSON Merge Patch (RFC 7396): null resets an optional field to its default. */
export const ProductPatch = Type.Partial(
  Type.Object({
    name: ProductBody.properties.name,
    description: nullable<string>({ type: ['string', 'null'], ...descriptionText }),
    price: ProductBody.properties.price,
    stock: nullable<number>({ type: ['integer', 'null'], minimum: 0, maximum: limits.integer }),
    category: nullable<string>({ type: ['string', 'null'], ...categoryText }),
    group_id: ProductBody.properties.group_id,
  } satisfies Fields),
  { title: 'PatchProduct', examples: [{ price: 12.5, group_id: null }] },
)

export const productJson = (product: Product, currency: string): Static<typeof ProductJson> => {
  const { createdAt, updatedAt } = product
  // The text of a time takes 0.4 µs, and the two of a product that has not changed yet are the same.
  const created = createdAt.toISOString()
  return {
    id: product.id,
    name: product.name,
    description: product.description,
    price: decimalFromCents(product.price),
    stock: product.stock,
    category: product.category,
    group_id: product.groupId,
    currency,
    version: product.version,
    created_at: created,
    updated_at: updatedAt.getTime() === createdAt.getTime() ? created : updatedAt.toISOString(),
  }
}
