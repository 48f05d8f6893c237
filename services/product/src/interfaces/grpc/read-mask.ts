import type { Product as ProductMessage } from '@shop/contracts/product/product.ts'
import { invalid } from '@shop/kernel/errors.ts'

export type Field = keyof ProductMessage

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
  currency: 'currency',
  groupId: 'group_id',
} as const satisfies Record<Field, string>

const fields = Object.keys(paths) as readonly Field[]
export const allFields: ReadonlySet<Field> = new Set(fields)
const fieldOfPath = new Map<string, Field>(fields.map((field) => [paths[field], field]))
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

/** The sets that were selected so far, by their fields. There are at most 1,024. */
const knownSets = new Map<string, ReadonlySet<Field>>()

const setOf = (selected: ReadonlySet<Field>): ReadonlySet<Field> => {
  const key = fields.filter((field) => selected.has(field)).join()
  const known = knownSets.get(key) ?? selected
  knownSets.set(key, known)
  return known
}

/**
 * Returns the fields that the mask selects, always with the id. All fields if there is no mask, as for clients of earlier
 * versions, or an empty one. Equal sets are the same object. Throws `invalid` for any other path.
 */
export const maskedFields = (mask: readonly string[] | undefined): ReadonlySet<Field> => {
  if (mask === undefined || mask.length === 0) return allFields
  const selected = new Set(mask.filter((path) => path !== '*').map(fieldOf))
  return mask.includes('*') ? allFields : setOf(selected.add('id'))
}
