/** A quantity of a product, as in the body of a request. */
export type Item = Readonly<{ productId: number; quantity: number }>

type Action = Readonly<
  | { kind: 'get' }
  | { kind: 'create' }
  | { kind: 'add'; productId: number; quantity: number }
  | { kind: 'addMany'; items: readonly Item[] }
  | { kind: 'setMany'; items: readonly Item[] }
  | { kind: 'set'; productId: number; quantity: number }
  | { kind: 'remove'; productId: number }
  | { kind: 'clear' }
  | { kind: 'delete' }
>

/** A request for the basket of one user. */
export type BasketInput = Action &
  Readonly<{
    /** An ETag as the service sent it, or `*`. Writes only. */
    ifMatch?: string
    /** An ETag as the service sent it, or `*`: of a read or a write. */
    ifNoneMatch?: string
    /** The idempotency key. Not of `get` and `delete`. */
    key?: string
  }>

/** A line that was refused, with its index in `items`; 0 for requests of one line. */
export type Refusal = Readonly<{ index: number; code: string; available?: number; requested?: number }>

/** The answer to a request. An answer that says nothing about the effect (500, 503, a cut connection) is not one: its output is undefined. */
export type BasketOutput = Readonly<{
  status: number
  /** The code of the problem. */
  code?: string
  /** Whether the answer has `Idempotent-Replayed: true`. */
  replayed: boolean
  /** The ETag as the service sent it: of every answer that shows a basket, and of a 304. */
  etag?: string
  /** The lines in order, of an answer that shows a basket. */
  lines?: readonly Item[]
  /** The refused lines of a 404 product_not_found and a 409. */
  refusals?: readonly Refusal[]
}>
