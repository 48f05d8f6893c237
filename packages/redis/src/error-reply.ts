import { ErrorReply } from '@redis/client'

/** The code of an error reply, which is its first word; undefined if Redis did not send the error. */
export const errorCodeOf = (error: unknown): string | undefined =>
  error instanceof ErrorReply ? error.message.split(' ', 1)[0] : undefined
