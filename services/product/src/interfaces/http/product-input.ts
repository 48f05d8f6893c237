import { centsFromDecimal } from '@shop/kernel/money.ts'
import type { Static } from 'typebox'
import { fieldNames, type ProductFields } from '../../domain/product.ts'
import { memberNames, type ProductBody, type ProductPatch } from './product-json.ts'

type Body = Static<typeof ProductBody>
type Patch = Static<typeof ProductPatch>

export const productFields = (body: Body): ProductFields => ({
  name: body.name,
  description: body.description,
  price: centsFromDecimal(body.price, '/price'),
  stock: body.stock,
  category: body.category,
  groupId: body.group_id ?? null,
})

/**
 * For each field, converts a value in a patch to the domain's value. null becomes the default. `name` and `price`
 * are never null here: the schema rejects that.
 */
const fromPatch: {
  readonly [Field in keyof ProductFields]: (
    value: NonNullable<Patch[(typeof memberNames)[Field]]> | null,
  ) => ProductFields[Field]
} = {
  name: (name) => name ?? '',
  description: (description) => description ?? '',
  price: (price) => centsFromDecimal(price ?? 0, '/price'),
  stock: (stock) => stock ?? 0,
  category: (category) => category ?? '',
  groupId: (groupId) => groupId,
}

/**
 * Returns the fields that a patch or a replacement changes, with their new values. In a replacement, validation
 * has added the defaults of all fields but those that are kept if they are left out.
 */
export const productChanges = (input: Patch | Body): Partial<ProductFields> => {
  const changes: Record<string, unknown> = {}
  for (const field of fieldNames) {
    const value = input[memberNames[field]]
    if (value !== undefined) changes[field] = (fromPatch[field] as (value: unknown) => unknown)(value)
  }
  return changes
}
