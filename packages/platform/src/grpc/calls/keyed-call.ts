import type { Context } from '@shop/kernel/context.ts'
import { invalid } from '@shop/kernel/errors.ts'
import { KeyedContext } from '../../idempotency/keyed-context.ts'
import { fingerprintOf, shortHash } from '../../idempotency/keys.ts'
import { CallContext } from './call-context.ts'

/** As long as a key over HTTP, and of the same characters. */
const form = /^[ -~]{1,255}$/

type Rpc<Request> = Readonly<{ path: string; requestSerialize: (request: Request) => Buffer }>

/**
 * Returns the context for use cases that take an idempotency key: with that in the field `request_id`, unless it is empty. Throws
 * `invalid` if it is malformed. The response of a call that only repeats an earlier one gets the metadata
 * `idempotent-replayed: true`.
 */
export const keyedCall = <Request extends Readonly<{ requestId: string }>>(
  context: Context,
  { path, requestSerialize }: Rpc<Request>,
  request: Request,
): Context => {
  const { requestId } = request
  if (requestId === '') return context
  if (!form.test(requestId))
    throw invalid({ path: '/request_id', message: 'must have 1 to 255 printable ASCII characters' })
  return new KeyedContext(context, {
    key: shortHash(requestId),
    // Encoded, a message is the same for a later version of the contract with more fields.
    fingerprint: fingerprintOf(path, requestSerialize({ ...request, requestId: '' }).toString('base64')),
    markReplayed: () => {
      if (context instanceof CallContext) context.isReplayed = true
    },
  })
}
