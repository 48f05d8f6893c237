import { invalid } from '@shop/kernel/errors.ts'
import { type Static, Type } from 'typebox'
import { limits } from '../../domain/basket.ts'
import type { LineQuantity } from '../../domain/several-lines.ts'
import { ProductId } from './basket-json.ts'

const AddedQuantity = Type.Integer({ minimum: 1, maximum: limits.quantity })
const SetQuantity = Type.Integer({ minimum: 0, maximum: limits.quantity, description: '0 removes the line' })

/** As many as a basket can have lines. */
const severalItems = { minItems: 1, maxItems: limits.lines } as const

const ItemToAdd = Type.Object({ product_id: ProductId, quantity: AddedQuantity }, { title: 'ItemToAdd' })
const ItemToSet = Type.Object({ product_id: ProductId, quantity: SetQuantity }, { title: 'ItemToSet' })

/**
 * Either one item or several: see `additionIn`. Without several, the members of one are required. No `oneOf`, because generated
 * clients would get a type for each case.
 */
export const AddItemBody = Type.Object(
  {
    product_id: Type.Optional(ProductId),
    quantity: Type.Optional(AddedQuantity),
    items: Type.Optional(
      Type.Array(ItemToAdd, { ...severalItems, description: 'Several items with different products' }),
    ),
  },
  {
    if: { required: ['items'] },
    else: { required: ['product_id', 'quantity'] },
    title: 'AddItem',
    description: 'Either product_id and quantity, or items',
    examples: [
      { product_id: 1, quantity: 2 },
      {
        items: [
          { product_id: 1, quantity: 2 },
          { product_id: 2, quantity: 1 },
        ],
      },
    ],
  },
)

export const QuantityBody = Type.Object(
  { quantity: SetQuantity },
  { title: 'SetQuantity', examples: [{ quantity: 3 }] },
)

export const SetItemsBody = Type.Object(
  { items: Type.Array(ItemToSet, { ...severalItems, description: 'Items with different products' }) },
  {
    title: 'SetItems',
    examples: [
      {
        items: [
          { product_id: 1, quantity: 2 },
          { product_id: 2, quantity: 0 },
        ],
      },
    ],
  },
)

/** The quantities of the items. Throws `invalid` if several are for the same product. */
export const quantitiesIn = ({ items }: Static<typeof SetItemsBody>): readonly LineQuantity[] => {
  const indexes = new Map<number, number>()
  for (const [index, { product_id: id }] of items.entries()) if (!indexes.has(id)) indexes.set(id, index)
  const repeated = items.flatMap(({ product_id: id }, index) =>
    indexes.get(id) === index
      ? []
      : [{ path: `/items/${index}/product_id`, message: `is also that of items/${indexes.get(id)}` }],
  )
  if (repeated.length > 0) throw invalid(...repeated)
  return items.map(({ product_id: productId, quantity }) => ({ productId, quantity }))
}

/** What the body asks to add. Throws `invalid` unless it is either one item or several. */
export const additionIn = (
  body: Static<typeof AddItemBody>,
): LineQuantity | Readonly<{ quantities: readonly LineQuantity[] }> => {
  const { product_id: productId, quantity, items } = body
  if (items === undefined) {
    if (productId !== undefined && quantity !== undefined) return { productId, quantity }
    throw invalid({ path: '/items', message: 'is required unless there are product_id and quantity' })
  }
  const others = (['product_id', 'quantity'] as const).filter((name) => body[name] !== undefined)
  if (others.length > 0)
    throw invalid(...others.map((name) => ({ path: `/${name}`, message: 'must not be together with items' })))
  return { quantities: quantitiesIn({ items }) }
}
