import type { Step } from '@shop/platform/pipeline.ts'
import { isGuestId } from '../domain/user-id.ts'

/** A guest is known for at least this long after its last request, and for at most twice as long. */
const periodMs = 300_000

/** Of more guests in a period, those who come first are forgotten. 2 x 10,000 ids take about 2 MB. */
const maxGuests = 10_000

type Options = Readonly<{
  /** The time in milliseconds, by a clock that never steps. */
  now?: () => number
}>

const userIdIn = (input: unknown): string | undefined =>
  typeof input === 'object' && input !== null && 'userId' in input && typeof input.userId === 'string'
    ? input.userId
    : undefined

/**
 * Remembers for some minutes the ids of guests whose baskets were seen to exist: only they have a rate limit of their own, because
 * anybody can invent ids.
 */
export const createKnownGuests = ({ now = () => performance.now() }: Options = {}) => {
  let recent = new Set<string>()
  let earlier = new Set<string>()
  let beganAt = now()
  const forget = (): void => {
    const time = now()
    if (time < beganAt + periodMs && recent.size < maxGuests) return
    earlier = time < beganAt + 2 * periodMs ? recent : new Set()
    recent = new Set()
    beganAt = time
  }
  const remember = (userId: string): void => {
    forget()
    recent.add(userId)
  }
  /** Remembers the guest of a use case that succeeds: none does without the guest's basket. */
  const remembering: Step = (use) => (input, context) => {
    const result = use(input, context)
    const userId = userIdIn(input)
    if (userId !== undefined && isGuestId(userId))
      result.then(
        () => remember(userId),
        () => {},
      )
    return result
  }
  return {
    isKnown: (userId: string): boolean => {
      forget()
      return recent.has(userId) || earlier.has(userId)
    },
    remembering,
  }
}
