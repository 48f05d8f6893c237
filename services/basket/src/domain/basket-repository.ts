import type { Basket } from './basket.ts'

/**
 * Stores baskets, which expire some time after their last write (see `nextVersion`). Every method may reject with
 * `unavailable`.
 */
export type BasketRepository = Readonly<{
  find: (userId: string) => Promise<Basket | undefined>
  /**
   * Whether the basket, as far as this process knows it, may remember a write with this idempotency key. Only a basket that this
   * process has not stored lately takes a read.
   */
  mayRemember: (userId: string, key: string) => Promise<boolean>
  /**
   * Calls `change` with the user's basket, or with `undefined` if there is none, and stores the result as the
   * next version with a new expiry time. A result of `undefined` removes the basket. If `change` returns its
   * argument or throws, nothing is written. Resolves with the basket as stored; rejects with what `change`
   * throws.
   *
   * The update is atomic across processes. `change` must be pure, because it is called again after a
   * conflicting write.
   */
  update: <Result extends Basket | undefined>(
    userId: string,
    change: (basket: Basket | undefined) => Result,
  ) => Promise<Result>
}>
