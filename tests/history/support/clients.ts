import { setTimeout as delay } from 'node:timers/promises'
import type { Operation } from '@shop/testing/history/history.ts'
import type { BasketInput, BasketOutput } from '../model/basket-operation.ts'
import type { Counts } from './counts.ts'
import { type Random, randomFrom } from './random.ts'
import { chooseRequest, type Memory, type Product, rememberTag } from './requests.ts'
import { type Door, type Outcome, openDoor } from './wire.ts'

export type BasketOperation = Operation<BasketInput, BasketOutput>

/** Each operation whose outcome is unknown may multiply the work of the checker. */
const maxUnknown = 24
const maxRetries = 4

/** Records what the clients of one basket do and see. */
export class Recorder {
  readonly operations: BasketOperation[] = []
  readonly userId: string
  readonly #counts: Counts
  #unknown = 0

  constructor(userId: string, counts: Counts) {
    this.userId = userId
    this.#counts = counts
  }

  get isFull(): boolean {
    return this.#unknown >= maxUnknown
  }

  async send(door: Door, client: number, input: BasketInput): Promise<Outcome> {
    const begin = performance.now()
    const outcome = await door.send(this.userId, input)
    const end = performance.now()
    this.#counts.add('operations')
    if (outcome === 'without effect') {
      this.#counts.add('refused without effect')
    } else if (outcome !== 'unknown') {
      if (outcome.replayed) this.#counts.add('replays')
      this.operations.push({ client, input, output: outcome, begin, end })
    } else {
      this.#counts.add(input.kind === 'get' ? 'reads without an answer' : 'unknown outcomes')
      if (input.kind !== 'get') this.#addUnknown({ client, input, output: undefined, begin, end: Infinity })
    }
    return outcome
  }

  #addUnknown(operation: BasketOperation): void {
    this.#unknown += 1
    this.operations.push(operation)
  }
}

type Options = Readonly<{
  recorder: Recorder
  counts: Counts
  client: number
  seed: number
  urls: readonly string[]
  products: readonly Product[]
  requests: number
  /** The longest pause between two requests, in milliseconds. */
  pauseMs: number
}>

const isUnknown = (outcome: Outcome): boolean => outcome === 'unknown'

/** Waits until the service responds again: what is sent during an outage only adds unknown outcomes. */
const untilAnswered = async (doors: readonly Door[], { recorder, client }: Options, random: Random) => {
  for (let attempt = 0; attempt < 40; attempt++) {
    await delay(random.between(20, 120))
    const door = doors[attempt % doors.length]
    if (door && !isUnknown(await recorder.send(door, client, { kind: 'get' }))) return
  }
}

/** Sends the request. With a key, an unknown outcome is repeated with the same key, at the other process, the first time at once. */
const sendAndRepeat = async (
  doors: readonly Door[],
  first: number,
  input: BasketInput,
  options: Options,
  random: Random,
): Promise<Outcome> => {
  const { recorder, client, counts } = options
  const doorOf = (attempt: number) => doors[(first + attempt) % doors.length] as Door
  let outcome = await recorder.send(doorOf(0), client, input)
  for (let attempt = 1; isUnknown(outcome) && input.kind !== 'get'; attempt++) {
    if (attempt > 1 || input.key === undefined) await untilAnswered(doors, options, random)
    if (input.key === undefined || attempt > maxRetries || recorder.isFull) return outcome
    counts.add('retries')
    outcome = await recorder.send(doorOf(attempt), client, input)
  }
  return outcome
}

/** Sends random requests for one basket, one after the other, now and then one of them to both processes at the same time. */
export const runClient = async (options: Options): Promise<void> => {
  const { recorder, client, seed, urls, products, counts } = options
  const random = randomFrom(seed)
  const doors = [urls[0], urls.at(-1)].map((url) => openDoor(url ?? ''))
  const memory: Memory = { tags: [], keyed: [] }
  let keys = 0
  const newKey = () => `${client}-${keys++}`
  for (let done = 0; done < options.requests && !recorder.isFull; done++) {
    await delay(random.between(0, options.pauseMs))
    const input = chooseRequest({ random, products, memory, newKey })
    const first = random.chance(0.8) ? client % 2 : 1 - (client % 2)
    const isDoubled = input.key !== undefined && random.chance(0.06)
    if (isDoubled) counts.add('sent twice at the same time')
    const [outcome] = await Promise.all([
      sendAndRepeat(doors, first, input, options, random),
      isDoubled && recorder.send(doors[1 - first] as Door, client + 0.5, input),
    ])
    if (typeof outcome === 'object' && outcome.etag !== undefined) rememberTag(memory, outcome.etag)
  }
  for (const door of doors) door[Symbol.dispose]()
}
