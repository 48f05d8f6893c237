import type { BasketInput, Item } from '../model/basket-operation.ts'
import type { Random } from './random.ts'

export type Product = Readonly<{ id: number; stock: number }>

const unknownProduct = 2_147_483_647
const rememberedTags = 4
const rememberedWrites = 6

/** What a client has seen and done, which decides what it can ask next. */
export type Memory = Readonly<{ tags: string[]; keyed: BasketInput[] }>

export const rememberTag = ({ tags }: Memory, etag: string): void => {
  if (tags.at(-1) !== etag) tags.push(etag)
  if (tags.length > rememberedTags) tags.shift()
}

const weights = {
  get: 18,
  create: 6,
  add: 26,
  set: 14,
  remove: 7,
  clear: 3,
  delete: 2,
  addMany: 7,
  setMany: 7,
} as const satisfies Record<BasketInput['kind'], number>

type Choice = Readonly<{ random: Random; products: readonly Product[]; memory: Memory; newKey: () => string }>

const productIdOf = ({ random, products }: Choice): number =>
  random.chance(0.02) ? unknownProduct : random.pick(products).id

/** Some different products. */
const itemsOf = (choice: Choice, lowest: number): Item[] => {
  const { random, products } = choice
  const count = random.between(1, products.length)
  const start = random.between(0, products.length - 1)
  return Array.from({ length: count }, (_, index) => ({
    productId: products[(start + index) % products.length]?.id ?? productIdOf(choice),
    quantity: random.between(lowest, 3),
  }))
}

const actionOf = (choice: Choice): BasketInput => {
  const { random } = choice
  const kind = random.weighted(weights)
  switch (kind) {
    case 'add':
      return { kind, productId: productIdOf(choice), quantity: random.between(1, 3) }
    case 'set':
      return { kind, productId: productIdOf(choice), quantity: random.between(0, 9) }
    case 'remove':
      return { kind, productId: productIdOf(choice) }
    case 'addMany':
      return { kind, items: itemsOf(choice, 1) }
    case 'setMany':
      return { kind, items: itemsOf(choice, 0) }
    case 'get':
    case 'create':
    case 'clear':
    case 'delete':
      return { kind }
    default:
      return kind satisfies never
  }
}

const conditionOf = (
  { random, memory: { tags } }: Choice,
  { kind }: BasketInput,
): Pick<BasketInput, 'ifMatch' | 'ifNoneMatch'> => {
  if (kind === 'get') return random.chance(0.2) && tags.length > 0 ? { ifNoneMatch: random.pick(tags) } : {}
  if (random.chance(0.02)) return { ifMatch: '*' }
  if (random.chance(0.02)) return { ifNoneMatch: '*' }
  return random.chance(0.12) && tags.length > 0 ? { ifMatch: random.pick(tags) } : {}
}

/** Whether the request can have an idempotency key. */
const takesKey = ({ kind }: BasketInput): boolean => kind !== 'get' && kind !== 'delete'

/** Chooses the next request of a client: a new one, an earlier one again, or another one with an earlier key. */
export const chooseRequest = (choice: Choice): BasketInput => {
  const { random, memory, newKey } = choice
  const { keyed } = memory
  if (keyed.length > 0 && random.chance(0.08)) return random.pick(keyed)
  const action = actionOf(choice)
  const request = { ...action, ...conditionOf(choice, action) }
  if (!takesKey(request) || random.chance(0.4)) return request
  if (keyed.length > 0 && random.chance(0.04)) return { ...request, key: random.pick(keyed).key ?? newKey() }
  const withKey = { ...request, key: newKey() }
  keyed.push(withKey)
  if (keyed.length > rememberedWrites) keyed.shift()
  return withKey
}
