import type { Plan } from '@shop/testing/history/simulation.ts'
import * as fc from 'fast-check'
import type { BasketInput, BasketOutput } from './basket-operation.ts'
import { type Answer, answerTo, type Stored } from './basket-requests.ts'

export const stock: ReadonlyMap<number, number> = new Map([
  [1, 1_000],
  [2, 1_000],
  [3, 6],
])

/** What a client wants. What it has seen decides the ETag; `repeat` sends its last keyed request again. */
export type Wish = Readonly<{
  input: BasketInput
  sendsTag: boolean
  key: 'none' | 'new' | 'repeat'
}>

const quantity = fc.integer({ min: 1, max: 4 })
const productId = fc.constantFrom(1, 1, 2, 2, 3, 4)
const items = (minimum: number) =>
  fc.uniqueArray(fc.record({ productId, quantity: fc.integer({ min: minimum, max: 4 }) }), {
    selector: (item) => item.productId,
    minLength: 1,
    maxLength: 3,
  })

const kindOnly = (kind: 'get' | 'create' | 'clear' | 'delete') => fc.constant<BasketInput>({ kind })

const input = (deletes: number): fc.Arbitrary<BasketInput> =>
  fc.oneof(
    { weight: 6, arbitrary: kindOnly('get') },
    { weight: 2, arbitrary: kindOnly('create') },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('add' as const), productId, quantity }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('addMany' as const), items: items(1) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('setMany' as const), items: items(0) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('set' as const), productId, quantity: fc.nat(4) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), productId }) },
    { weight: 1, arbitrary: kindOnly('clear') },
    { weight: deletes, arbitrary: kindOnly('delete') },
  )

type Choices = Readonly<{
  clients: number
  minLength?: number
  maxLength: number
  deletes?: number
  fates: readonly Plan<Wish>['fate'][]
}>

/** Plans for clients of one basket. */
export const wishes = ({
  clients,
  minLength = 0,
  maxLength,
  deletes = 1,
  fates,
}: Choices): fc.Arbitrary<Plan<Wish>[]> =>
  fc.array(
    fc.record({
      client: fc.nat(clients - 1),
      request: fc.record({
        input: input(deletes),
        sendsTag: fc.integer({ min: 0, max: 3 }).map((number) => number === 0),
        key: fc.constantFrom('none', 'none', 'new', 'repeat'),
      }),
      fate: fc.constantFrom(...fates),
      wait: fc.nat(3),
      before: fc.nat(6),
      after: fc.nat(6),
    }),
    { minLength, maxLength, size: 'max' },
  )

const takesKey = ({ kind }: BasketInput): boolean => kind !== 'get' && kind !== 'delete'

const outputOf = ({ stored, status, code, replayed, shows, refusals }: Answer): BasketOutput => ({
  status,
  ...(code === undefined ? {} : { code }),
  replayed: replayed ?? false,
  ...(shows === undefined || stored === undefined ? {} : { etag: `"${stored.id}.${stored.version}"` }),
  ...(shows !== 'basket' || stored === undefined
    ? {}
    : {
        lines: [...stored.lines.values()].map((line) => ({
          productId: line.productId,
          quantity: line.quantity,
        })),
      }),
  ...(refusals === undefined ? {} : { refusals }),
})

/** How a faulty service stores: what it has stored after the write with this index, given what was stored before and after. */
export type Fault = (
  after: Stored | undefined,
  before: Stored | undefined,
  index: number,
  input: BasketInput,
) => Stored | undefined

const noFault: Fault = (after) => after

/** A basket in memory that answers as the contract says, but for the fault, and what its clients remember. */
export const memoryBasket = (fault: Fault = noFault) => {
  const tags = new Map<number, string>()
  const keyed = new Map<number, BasketInput>()
  let stored: Stored | undefined
  let count = 0
  return {
    inputOf: ({ input: wanted, sendsTag, key }: Wish, client: number): BasketInput => {
      const last = keyed.get(client)
      if (key === 'repeat' && last !== undefined) return last
      const tag = tags.get(client)
      const tagged: BasketInput =
        sendsTag && tag !== undefined
          ? { ...wanted, [wanted.kind === 'get' ? 'ifNoneMatch' : 'ifMatch']: tag }
          : wanted
      if (key === 'none' || !takesKey(wanted)) return tagged
      const withKey = { ...tagged, key: `key-${count++}` }
      keyed.set(client, withKey)
      return withKey
    },
    perform: (asked: BasketInput, index: number): BasketOutput => {
      const before = stored
      const answer = answerTo(before, asked, stock)
      const after = answer.stored && { ...answer.stored, id: answer.stored.id ?? `basket${count++}` }
      const isChanged = answer.stored !== before
      stored = isChanged ? fault(after, before, index, asked) : before
      return outputOf(isChanged ? { ...answer, stored: after } : answer)
    },
    answered: (client: number, _asked: BasketInput, output: BasketOutput | undefined) => {
      if (output?.etag !== undefined) tags.set(client, output.etag)
    },
    /** What a request would be answered now. */
    ask: (asked: BasketInput): BasketOutput => outputOf(answerTo(stored, asked, stock)),
  }
}
