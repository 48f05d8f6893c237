import type { Idempotency } from '@shop/kernel/idempotency.ts'
import { type Basket, requireExisting } from '../domain/basket.ts'
import { hasWritten, rememberingWrite } from '../domain/keyed-writes.ts'
import type { Ports } from '../domain/ports.ts'
import { isGuestId } from '../domain/user-id.ts'

type Stored = Basket | undefined

/** Returns the changed basket, or its argument for no change. Must be pure, and may throw. */
type Change = (stored: Stored) => Basket

type Update = Readonly<{ baskets: Pick<Ports['baskets'], 'update'> }> & Pick<Ports, 'clock'>

type FindAndUpdate = Readonly<{ baskets: Pick<Ports['baskets'], 'find' | 'mayRemember' | 'update'> }> &
  Pick<Ports, 'clock'>

type Write = Readonly<{
  /** Whose basket is changed. */
  userId: string
  /** Undefined if the request has no idempotency key. */
  idempotency: Idempotency | undefined
}>

const updateUnlessWritten = async <Unchanged extends Stored>(
  { baskets, clock }: Update,
  userId: string,
  write: Idempotency,
  change: (stored: Stored) => Basket | Unchanged,
) => {
  // The store may call back several times. The last call is for what it stores.
  let isReplay = false
  const basket = await baskets.update(userId, (stored) => {
    const now = clock()
    isReplay = stored !== undefined && hasWritten(stored, write, now)
    if (isReplay) return stored as Basket
    const changed = change(stored)
    return changed === undefined || changed === stored ? changed : rememberingWrite(changed, write, now)
  })
  if (isReplay) write.markReplayed()
  return { basket, isReplay }
}

/**
 * Updates the basket like `BasketRepository.update`. But if an earlier request with the same idempotency key has done the write,
 * changes nothing and resolves with the basket as it is now; `isReplay` is then true. Rejects with `idempotency_key_reused` if the
 * key is that of a different write.
 */
export const replayOrUpdate = async (ports: Update, { userId, idempotency }: Write, change: Change) =>
  idempotency === undefined
    ? { basket: await ports.baskets.update(userId, change), isReplay: false }
    : updateUnlessWritten(ports, userId, idempotency, change)

/** Like `replayOrUpdate`, but resolves with the basket alone. */
export const updateOnce = (ports: Update, { userId, idempotency }: Write, change: Change): Promise<Basket> =>
  idempotency === undefined
    ? ports.baskets.update(userId, change)
    : updateUnlessWritten(ports, userId, idempotency, change).then(({ basket }) => basket)

const unchanged = (stored: Stored): Stored => stored

/** Resolves with the basket if an earlier request with the key has done the write. Otherwise nothing is written. */
const replayOf = async (ports: Update, userId: string, write: Idempotency): Promise<Stored> => {
  const { basket, isReplay } = await updateUnlessWritten(ports, userId, write, unchanged)
  return isReplay ? basket : undefined
}

/**
 * Like `updateOnce`, for a change that needs something of another service, such as a product. `prepare` asks for it and returns the
 * change. It is not called for a guest without a basket, who gets `not_found`, nor for a write of which this process knows that it is
 * done. If another process has done it lately, `prepare` is called, and may reject.
 */
export const prepareAndUpdateOnce = async (
  ports: FindAndUpdate,
  { userId, idempotency }: Write,
  prepare: () => Promise<Change>,
): Promise<Basket> => {
  const { baskets } = ports
  if (isGuestId(userId)) requireExisting(await baskets.find(userId))
  if (idempotency === undefined) return baskets.update(userId, await prepare())
  const replay = () => replayOf(ports, userId, idempotency)
  const replayed = (await baskets.mayRemember(userId, idempotency.key)) ? await replay() : undefined
  if (replayed !== undefined) return replayed
  let change: Change
  try {
    change = await prepare()
  } catch (error) {
    const done = await replay()
    if (done === undefined) throw error
    return done
  }
  return (await updateUnlessWritten(ports, userId, idempotency, change)).basket
}
