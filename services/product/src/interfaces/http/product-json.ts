import { centsFromDecimal, decimalFromCents, maxCents } from '@shop/kernel/money.ts'
import { type Static, type TSchema, Type } from 'typebox'
import {
  fieldNames,
  limits,
  type Product,
  type ProductFields,
  type ProductState,
} from '../../domain/product.ts'

/** A schema for every field that a client can set. */
type Fields = Record<keyof ProductFields, TSchema>

const example = {
  name: '1984',
  description: 'A novel',
  price: 14.99,
  stock: 75,
  category: 'Books',
} satisfies Record<keyof ProductFields, unknown>

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

export const ProductId = Type.Integer({
  minimum: 1,
  maximum: limits.integer,
  description: 'Assigned by the service',
})

export const ProductJson = Type.Object(
  {
    id: ProductId,
    name: Type.String(),
    description: Type.String(),
    price: Type.Number(priceRange),
    stock: Type.Integer(stockRange),
    category: Type.String(),
    version: Type.Integer({ minimum: 1, description: 'Incremented by every write' }),
    created_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
  } satisfies Fields & Record<string, TSchema>,
  {
    $id: 'Product',
    title: 'Product',
    examples: [
      {
        id: 1,
        ...example,
        version: 3,
        created_at: '2026-11-22T09:58:00.123Z',
        updated_at: '2026-11-22T09:58:00.123Z',
      },
    ],
  },
)

/** The body of POST and PUT: every field that a client can set. Optional fields have a default. */
export const ProductBody = Type.Object(
  {
    // The maximum length applies after trimming, so the entity checks it, not the schema.
    name: Type.String({
      minLength: 1,
      description: `1 to ${limits.name} characters after trimming, at least one visible; no control characters`,
    }),
    description: Type.String({ ...descriptionText, default: '' }),
    price: Type.Number(priceRange),
    stock: Type.Integer({ ...stockRange, default: 0 }),
    category: Type.String({ ...categoryText, default: '' }),
  } satisfies Fields,
  { required: ['name', 'price'], examples: [example] },
)

const nullable = <T>(schema: object) => Type.Unsafe<T | null>(schema)

/** The body of PATCH, a JSON Merge Patch (RFC 7396): null resets an optional field to its default. */
export const ProductPatch = Type.Partial(
  Type.Object({
    name: ProductBody.properties.name,
    description: nullable<string>({ type: ['string', 'null'], ...descriptionText }),
    price: ProductBody.properties.price,
    stock: nullable<number>({ type: ['integer', 'null'], minimum: 0, maximum: limits.integer }),
    category: nullable<string>({ type: ['string', 'null'], ...categoryText }),
  } satisfies Fields),
  { examples: [{ price: 12.5, category: null }] },
)

export const productFields = (body: Static<typeof ProductBody>): ProductFields => ({
  name: body.name,
  description: body.description,
  price: centsFromDecimal(body.price, '/price'),
  stock: body.stock,
  category: body.category,
})

type Patch = Static<typeof ProductPatch>

/**
 * For each field, converts a value in a patch to the domain's value. null becomes the default. `name` and `price`
 * are never null here: the schema rejects that.
 */
const fromPatch: {
  readonly [Field in keyof ProductFields]: (value: NonNullable<Patch[Field]> | null) => ProductFields[Field]
} = {
  name: (name) => name ?? '',
  description: (description) => description ?? '',
  price: (price) => centsFromDecimal(price ?? 0, '/price'),
  stock: (stock) => stock ?? 0,
  category: (category) => category ?? '',
}

/** Returns the fields that a patch changes, with their new values. */
export const productChanges = (patch: Patch): Partial<ProductFields> =>
  Object.fromEntries(
    fieldNames.flatMap((field) => {
      const value = patch[field]
      return value === undefined ? [] : [[field, (fromPatch[field] as (value: unknown) => unknown)(value)]]
    }),
  )

export const productJson = (product: Product): Static<typeof ProductJson> => ({
  id: product.id,
  name: product.name,
  description: product.description,
  price: decimalFromCents(product.price),
  stock: product.stock,
  category: product.category,
  version: product.version,
  created_at: product.createdAt.toISOString(),
  updated_at: product.updatedAt.toISOString(),
})

/** The strong ETag of a product. The version suffices, because the id is in the path. */
export const productTag = ({ version }: ProductState): string => `"${version}"`

/** The inverse of `productTag`. Returns `undefined` for a tag that no product can have. */
export const stateOfTag = (tag: string): ProductState | undefined => {
  const [, version] = /^"([1-9]\d{0,9})"$/.exec(tag) ?? []
  return version === undefined ? undefined : { version: Number(version) }
}
