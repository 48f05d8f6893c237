import { Product as ProductMessage } from '@shop/contracts/product/product.ts'
import { invalid } from '@shop/kernel/errors.ts'

type Field = keyof ProductMessage

/** The path of each field in a mask. */
const paths = {
  id: 'id',
  name: 'name',
  description: 'description',
  price: 'price',
  stock: 'stock',
  category: 'category',
  createdAt: 'created_at',
  updatedAt: 'updated_at',
  version: 'version',
  groupId: 'group_id',
} as const satisfies Record<Field, string>

const allFields = Object.keys(paths) as readonly Field[]
const fieldOfPath = new Map<string, Field>(allFields.map((field) => [paths[field], field]))
const knownPaths = [...fieldOfPath.keys()].join(', ')

/** A longer path is not repeated in full in the error. */
const maxShownLength = 100

const fieldOf = (path: string): Field => {
  const field = fieldOfPath.get(path)
  if (field !== undefined) return field
  const shown = JSON.stringify(path.slice(0, maxShownLength))
  throw invalid({
    path: '/read_mask',
    message: `must not contain ${shown}: the fields are ${knownPaths}, and * for all`,
  })
}

/**
 * Returns the fields that the mask selects, always with the id. All fields if there is no mask, as for clients of earlier
 * versions, or an empty one. Throws `invalid` for any other path.
 */
export const maskedFields = (mask: readonly string[] | undefined): ReadonlySet<Field> => {
  const selected = new Set((mask ?? []).filter((path) => path !== '*').map(fieldOf))
  return mask === undefined || mask.length === 0 || mask.includes('*')
    ? new Set(allFields)
    : selected.add('id')
}

/** A message in which no field is set. */
const unset: Readonly<ProductMessage> = ProductMessage.decode(new Uint8Array())

/** Returns the message with only these fields. The others have their defaults, which are not sent. */
export const maskedMessage = (message: ProductMessage, fields: ReadonlySet<Field>): ProductMessage => {
  if (fields.size === allFields.length) return message
  return { ...unset, ...Object.fromEntries(Array.from(fields, (field) => [field, message[field]])) }
}
