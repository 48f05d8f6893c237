import { performOn, type Reference } from '../../../services/basket/test/support/reference.ts'
import type { BasketInput, Item, Refusal } from './basket-operation.ts'

/** The stock of each product that exists, which must not change during a run. */
export type Stock = ReadonlyMap<number, number>

export type Stored = Readonly<{
  /** Undefined until an answer has shown it. */
  id: string | undefined
  version: number
  lines: Reference
  /** The keyed writes that it remembers, the newest last. */
  keys: readonly Readonly<{ key: string; fingerprint: string; status: number }>[]
}>

/** What the service answers, and what it has stored then: the same object if nothing changed. */
export type Answer = Readonly<{
  stored: Stored | undefined
  status: number
  code?: string
  replayed?: true
  /** Whether the answer shows the basket that is stored then. */
  shows?: 'basket' | 'tag'
  refusals?: readonly Refusal[]
}>

const rememberedKeys = 16
const productNotFound = 'product_not_found'

/** Whether the tag, or `*`, is that of the basket. */
const isTagOf = (tag: string, { id, version }: Stored): boolean => tag === '*' || tag === `"${id}.${version}"`

const isStale = ({ ifMatch, ifNoneMatch }: BasketInput, stored: Stored | undefined): boolean =>
  (ifMatch !== undefined && (stored === undefined || !isTagOf(ifMatch, stored))) ||
  (ifNoneMatch !== undefined && stored !== undefined && isTagOf(ifNoneMatch, stored))

/** What makes two requests the same: neither the key nor the preconditions. */
const fingerprintOf = (input: BasketInput): string => {
  const { kind } = input
  if ('items' in input)
    return JSON.stringify([kind, input.items.map((item) => [item.productId, item.quantity])])
  return JSON.stringify([
    kind,
    'productId' in input ? input.productId : 0,
    'quantity' in input ? input.quantity : 0,
  ])
}

const refused = (stored: Stored | undefined, status: number, code: string): Answer => ({
  stored,
  status,
  code,
})

const notFound = (stored: Stored | undefined): Answer => refused(stored, 404, 'not_found')

const written = (
  stored: Stored | undefined,
  lines: Reference,
  input: BasketInput,
  status: number,
): Answer => {
  const { key } = input
  const keys = stored?.keys ?? []
  const newKeys =
    key === undefined
      ? keys
      : [...keys, { key, fingerprint: fingerprintOf(input), status }].slice(-rememberedKeys)
  return {
    stored: { id: stored?.id, version: (stored?.version ?? 0) + 1, lines, keys: newKeys },
    status,
    shows: 'basket',
  }
}

/** Changes the lines by one item, or returns why not. */
const changeLine = (
  lines: Reference,
  { productId, quantity }: Item,
  adds: boolean,
  stock: Stock,
): Omit<Refusal, 'index'> | undefined => {
  const available = stock.get(productId)
  if (available === undefined) return { code: productNotFound }
  const before = lines.get(productId)?.quantity
  const kind = adds || before === undefined ? 'add' : 'set'
  const product = { id: productId, name: '', price: 0n, category: '', stock: available }
  const code = performOn(lines, { kind, product, quantity })
  if (code === undefined) return undefined
  const requested = quantity + (adds ? (before ?? 0) : 0)
  return code === 'insufficient_stock' ? { code, available, requested } : { code, requested }
}

const changed = (
  stored: Stored | undefined,
  input: BasketInput,
  items: readonly Item[],
  stock: Stock,
): Answer => {
  const lines: Reference = new Map(stored?.lines)
  const adds = input.kind === 'add' || input.kind === 'addMany'
  for (const { productId, quantity } of items)
    if (quantity === 0) performOn(lines, { kind: 'remove', productId })
  const refusals = items.flatMap((item, index): Refusal[] => {
    if (item.quantity === 0) return []
    const refusal = changeLine(lines, item, adds, stock)
    return refusal === undefined ? [] : [{ index, ...refusal }]
  })
  const [first] = refusals
  if (first === undefined) return written(stored, lines, input, 200)
  return { ...refused(stored, first.code === productNotFound ? 404 : 409, first.code), refusals }
}

const itemsOf = (input: BasketInput): readonly Item[] => {
  if ('items' in input) return input.items
  return input.kind === 'add' || input.kind === 'set' ? [input] : []
}

const replay = (stored: Stored | undefined, input: BasketInput): Answer | undefined => {
  const remembered = stored?.keys.find(({ key }) => key === input.key)
  if (remembered === undefined) return undefined
  if (remembered.fingerprint !== fingerprintOf(input)) return refused(stored, 422, 'idempotency_key_reused')
  return { stored, status: remembered.status, replayed: true, shows: 'basket' }
}

const withoutItem = (stored: Stored, input: BasketInput, productId: number): Answer => {
  const lines: Reference = new Map(stored.lines)
  return performOn(lines, { kind: 'remove', productId }) === undefined
    ? written(stored, lines, input, 200)
    : notFound(stored)
}

/** The answer to a write that needs a basket. */
const answerOfExisting = (stored: Stored, input: BasketInput, stock: Stock): Answer => {
  if (isStale(input, stored)) return refused(stored, 412, 'stale_version')
  if (input.kind === 'delete') return { stored: undefined, status: 204 }
  if (input.kind === 'clear') return written(stored, new Map(), input, 200)
  if (input.kind === 'remove' || (input.kind === 'set' && input.quantity === 0))
    return withoutItem(stored, input, input.productId)
  if (input.kind === 'set' && !stored.lines.has(input.productId)) return notFound(stored)
  return changed(stored, input, itemsOf(input), stock)
}

/** The answer to a request, as the contract has it: §3 and §9. */
export const answerTo = (stored: Stored | undefined, input: BasketInput, stock: Stock): Answer => {
  const { kind } = input
  if (kind === 'get') {
    if (stored === undefined) return notFound(stored)
    return isStale(input, stored)
      ? { stored, status: 304, shows: 'tag' }
      : { stored, status: 200, shows: 'basket' }
  }
  const replayed = replay(stored, input)
  if (replayed !== undefined) return replayed
  // With one line, the catalog's answer refuses the request before the basket is looked at.
  const isUnknown = ({ productId, quantity }: Item) => quantity > 0 && !stock.has(productId)
  if ((kind === 'add' || kind === 'set') && isUnknown(input)) return changed(stored, input, [input], stock)
  if (kind !== 'create' && kind !== 'add' && kind !== 'addMany' && kind !== 'setMany')
    return stored === undefined ? notFound(stored) : answerOfExisting(stored, input, stock)
  if (isStale(input, stored)) return refused(stored, 412, 'stale_version')
  if (kind !== 'create') return changed(stored, input, itemsOf(input), stock)
  return stored === undefined
    ? written(stored, new Map(), input, 201)
    : { stored, status: 200, shows: 'basket' }
}
