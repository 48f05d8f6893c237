import type { Model } from '@shop/testing/history/history.ts'
import type { BasketInput, BasketOutput, Refusal } from './basket-operation.ts'
import { type Answer, answerTo, type Stock, type Stored } from './basket-requests.ts'

/** The stored basket, and the ids of the baskets that were deleted before it. */
export type BasketState = Readonly<{ stored: Stored | undefined; past: readonly string[] }>

type Tag = Readonly<{ id: string; version: number }>

const tagIn = (text: string | undefined): Tag | undefined => {
  const [, id, version] = /^"([^".]+)\.(\d+)"$/.exec(text ?? '') ?? []
  return id === undefined ? undefined : { id, version: Number(version) }
}

const withId = ({ stored, past }: BasketState, id: string): BasketState => ({
  stored: stored && { ...stored, id },
  past,
})

/** An id that no answer has shown may be the one that the request names, but then no deleted basket has it. */
const possibleStates = (
  state: BasketState,
  { ifMatch, ifNoneMatch }: BasketInput,
): readonly BasketState[] => {
  if (state.stored === undefined || state.stored.id !== undefined) return [state]
  const ids = [ifMatch, ifNoneMatch].flatMap((text) => tagIn(text)?.id ?? [])
  return [state, ...ids.filter((id) => !state.past.includes(id)).map((id) => withId(state, id))]
}

const isSameRefusal = (expected: Refusal | undefined, { index, code, available, requested }: Refusal) =>
  expected?.index === index &&
  expected.code === code &&
  (available === undefined || available === expected.available) &&
  (requested === undefined || requested === expected.requested)

const hasLines = ({ lines }: Stored, expected: NonNullable<BasketOutput['lines']>): boolean => {
  const stored = [...lines.values()]
  return (
    stored.length === expected.length &&
    expected.every(
      ({ productId, quantity }, index) =>
        stored[index]?.productId === productId && stored[index].quantity === quantity,
    )
  )
}

/** Whether the service's answer is the model's, but for an id that is not known yet. */
const isSameAnswer = (
  { stored, status, code, replayed, shows, refusals = [] }: Answer,
  output: BasketOutput,
) => {
  if (status !== output.status || code !== output.code || (replayed ?? false) !== output.replayed)
    return false
  if (output.refusals !== undefined) {
    const isSame = output.refusals.every((refusal, index) => isSameRefusal(refusals[index], refusal))
    if (output.refusals.length !== refusals.length || !isSame) return false
  }
  if (shows === undefined || stored === undefined) return true
  if (shows === 'basket' && !hasLines(stored, output.lines ?? [])) return false
  const tag = tagIn(output.etag)
  return tag?.version === stored.version && (stored.id === undefined || stored.id === tag.id)
}

const stateAfter = (before: BasketState, { stored }: Answer): BasketState => {
  if (stored === before.stored) return before
  const deleted = stored === undefined ? before.stored?.id : undefined
  return { stored, past: deleted === undefined ? before.past : [...before.past, deleted].toSorted() }
}

/** The state with the id that the answer shows, or undefined if that is the id of a deleted basket. */
const withShownId = (
  state: BasketState,
  { shows }: Answer,
  output: BasketOutput,
): BasketState | undefined => {
  const id = tagIn(output.etag)?.id
  if (shows === undefined || id === undefined || state.stored === undefined || state.stored.id === id)
    return state
  return state.past.includes(id) ? undefined : withId(state, id)
}

/** Too many requests: nothing was done. */
const isLimited = (output: BasketOutput | undefined): boolean => output?.status === 429

const isWithoutEffect = ({ kind }: BasketInput, output: BasketOutput | undefined): boolean =>
  kind === 'get' ||
  (output !== undefined &&
    (output.status >= 300 || output.replayed || (kind === 'create' && output.status === 200)))

/** The version that a basket must have before the operation. */
const versionBefore = ({ version }: Tag, input: BasketInput, output: BasketOutput): number =>
  version - (isWithoutEffect(input, output) ? 0 : 1)

const isPast = ({ stored, past }: BasketState, input: BasketInput, output: BasketOutput): boolean => {
  const tag = tagIn(output.etag)
  if (tag === undefined) return false
  if (past.includes(tag.id)) return true
  return stored !== undefined && stored.id === tag.id && versionBefore(tag, input, output) <= stored.version
}

const productIdsIn = (input: BasketInput): readonly number[] => {
  if ('items' in input) return input.items.map(({ productId }) => productId)
  return 'productId' in input ? [input.productId] : []
}

/** Whether the request may change a line of one of the products of the other. */
const touchesLinesOf = (input: BasketInput, other: BasketInput): boolean => {
  const productIds = new Set(productIdsIn(other))
  return input.kind === 'clear' || productIdsIn(input).some((id) => productIds.has(id))
}

/**
 * What shows a basket needs the writes up to its version, or that another basket is deleted, before which writes are of no use. A refusal
 * for what is not in the basket, or for too much, needs a change of that line.
 */
const mayHelp: NonNullable<Model<BasketState, BasketInput, BasketOutput>['mayHelp']> = (
  { stored },
  input,
  after,
  blocked,
  output,
) => {
  const tag = tagIn(output.etag)
  const isDeletion = after.stored === undefined
  if (tag !== undefined) {
    if (after.stored === undefined) return stored?.id !== tag.id
    const mayBeIt = after.stored.id === undefined || after.stored.id === tag.id
    return mayBeIt && after.stored.version <= versionBefore(tag, blocked, output)
  }
  if (output.code === 'not_found' || output.code === 'insufficient_stock')
    return isDeletion || touchesLinesOf(input, blocked)
  return true
}

const textOf = ({ stored, past }: BasketState): string => {
  if (stored === undefined) return past.join()
  const lines = [...stored.lines.values()].map(({ productId, quantity }) => `${productId}x${quantity}`)
  const keys = stored.keys.map(({ key, fingerprint }) => `${key}=${fingerprint}`)
  return JSON.stringify([past, stored.id ?? null, stored.version, lines, keys])
}

/**
 * The basket of one user, from before it exists, as the contract describes it. Stock must be the same all the time. `mayHelp` relies on
 * that an answer in the history shows the tag of a request before the request begins.
 */
export const basketModel = (stock: Stock): Model<BasketState, BasketInput, BasketOutput> => ({
  initial: { stored: undefined, past: [] },
  step: (state, input, output) => {
    if (isLimited(output)) return [state]
    return possibleStates(state, input).flatMap((before) => {
      const answer = answerTo(before.stored, input, stock)
      if (output === undefined) return [stateAfter(before, answer)]
      if (!isSameAnswer(answer, output)) return []
      return withShownId(stateAfter(before, answer), answer, output) ?? []
    })
  },
  keyOf: textOf,
  isPast,
  mayHelp,
  isWithoutEffect,
})
