import { invalid } from '@shop/kernel/errors.ts'
import { decimalFromCents } from '@shop/kernel/money.ts'
import { type Static, Type } from 'typebox'
import { type Basket, type BasketState, limits, pieceCount, subtotal, total } from '../../domain/basket.ts'
import { userIdForm } from '../../domain/user-id.ts'

export const UserId = Type.String({
  ...userIdForm,
  description: '1 to 128 characters of A-Z a-z 0-9 . _ : @ | -, and neither . nor ..',
  examples: ['user123'],
})

export const ProductId = Type.Integer({
  minimum: 1,
  maximum: 2_147_483_647,
  description: 'The id of a product',
  examples: [1],
})

const money = (description: string) => Type.Number({ minimum: 0, description })

export const BasketJson = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    user_id: Type.String(),
    items: Type.Array(
      Type.Object(
        {
          product_id: ProductId,
          name: Type.String(),
          price: money('Unit price when the line last changed'),
          quantity: Type.Integer({ minimum: 1, maximum: limits.quantity }),
          subtotal: money('price × quantity'),
          category: Type.String(),
        },
        { title: 'BasketItem' },
      ),
    ),
    total: money('Sum of the subtotals'),
    currency: Type.String({ description: 'The ISO 4217 code of the currency of all amounts' }),
    item_count: Type.Integer({ description: 'Sum of the quantities' }),
    version: Type.Integer({ minimum: 1, description: 'Incremented by every write' }),
    created_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
    expires_at: Type.String({ format: 'date-time', description: 'Renewed by every write' }),
  },
  {
    $id: 'Basket',
    title: 'Basket',
    examples: [
      {
        id: '0b9f2f6e-3c3b-4d8e-9a55-7d1f6e2c1a90',
        user_id: 'user123',
        items: [
          { product_id: 1, name: '1984', price: 14.99, quantity: 2, subtotal: 29.98, category: 'Books' },
        ],
        total: 29.98,
        currency: 'EUR',
        item_count: 2,
        version: 4,
        created_at: '2026-11-22T09:58:00.123Z',
        updated_at: '2026-11-22T10:03:27.500Z',
        expires_at: '2026-11-23T10:03:27.500Z',
      },
    ],
  },
)

/** Exactly one of both: see `ownerIn`. The schema does not say so, because generated clients would get a type for each case. */
export const NewBasketBody = Type.Object(
  {
    user_id: Type.Optional(UserId),
    guest: Type.Optional(
      Type.Boolean({
        description: 'true for the basket of a new guest, without user_id; false is the same as none',
      }),
    ),
  },
  {
    title: 'CreateBasket',
    description: 'Either user_id or "guest": true',
    examples: [{ user_id: 'user123' }, { guest: true }],
  },
)

/** Whose basket the body asks for: `guest` for that of a new guest. Throws `invalid` unless it asks for one of both. */
export const ownerIn = ({
  user_id: userId,
  guest = false,
}: Static<typeof NewBasketBody>): Readonly<{ userId: string }> | 'guest' => {
  if (userId === undefined) {
    if (guest) return 'guest'
    throw invalid({ path: '/user_id', message: 'is required unless guest is true' })
  }
  if (guest) throw invalid({ path: '/guest', message: 'must not be true together with user_id' })
  return { userId }
}

export const basketJson = (basket: Basket, currency: string): Static<typeof BasketJson> => ({
  id: basket.id,
  user_id: basket.userId,
  items: basket.lines.map((line) => ({
    product_id: line.productId,
    name: line.name,
    price: decimalFromCents(line.price),
    quantity: line.quantity,
    subtotal: decimalFromCents(subtotal(line)),
    category: line.category,
  })),
  total: decimalFromCents(total(basket)),
  currency,
  item_count: pieceCount(basket),
  version: basket.version,
  created_at: basket.createdAt.toISOString(),
  updated_at: basket.updatedAt.toISOString(),
  expires_at: basket.expiresAt.toISOString(),
})

/** The path of a basket. `|` is encoded: of the characters of a user id, only it must not be in a path as it is. */
export const basketPath = ({ userId }: Basket): string => `/baskets/${encodeURI(userId)}`

/**
 * Returns the strong ETag of a basket. It includes the id because the versions of an earlier basket of the
 * same user also began at 1.
 */
export const basketTag = ({ id, version }: BasketState): string => `"${id}.${version}"`

/** Parses a tag that `basketTag` made. Returns `undefined` for any other string. */
export const stateOfTag = (tag: string): BasketState | undefined => {
  const [, id, version] = /^"([^".]+)\.([1-9]\d{0,15})"$/.exec(tag) ?? []
  return id !== undefined && Number.isSafeInteger(Number(version))
    ? { id, version: Number(version) }
    : undefined
}
