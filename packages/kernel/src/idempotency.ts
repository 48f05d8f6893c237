import { AppError } from './errors.ts'

/** The key of a write whose caller may repeat it: every repetition has the same key. */
export type Idempotency = Readonly<{
  /** A hash of the key that the caller sent: 16 characters of base64url. */
  key: string
  /** A hash of the request: 16 characters of base64url, the same for the same request. */
  fingerprint: string
  /** To be called if an earlier request with this key has done the write. */
  markReplayed: () => void
}>

export const keyReused = (): AppError =>
  new AppError('unprocessable', 'the idempotency key belongs to an earlier, different request', {
    code: 'idempotency_key_reused',
  })

/** Throws `idempotency_key_reused` unless the earlier request with this key had the same fingerprint. */
export const requireSameRequest = ({ fingerprint }: Idempotency, earlierFingerprint: string): void => {
  if (fingerprint !== earlierFingerprint) throw keyReused()
}
