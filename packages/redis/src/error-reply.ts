import { ErrorReply } from '@redis/client'

/** The code of an error reply, which is its first word; undefined if Redis did not send the error. */
export const errorCodeOf = (error: unknown): string | undefined =>
  error instanceof ErrorReply ? error.message.split(' ', 1)[0] : undefined

/** A command that the server does not have, also if a script calls it. There is no code for it: the code is ERR. */
const unknownCommand = /\bunknown (redis )?(sub)?command\b/i

/** A command or key that the user may not use, if a script calls it. The code is ERR, or no code at all. */
const deniedInScript = /\bACL failure in script\b|\bThe user executing the script can't\b/

/** The code of an error reply; `UNKNOWN` or `NOPERM` if Redis has none for this refusal. */
export const refusalOf = (error: unknown): string | undefined => {
  if (!(error instanceof ErrorReply)) return undefined
  if (unknownCommand.test(error.message)) return 'UNKNOWN'
  return deniedInScript.test(error.message) ? 'NOPERM' : errorCodeOf(error)
}

/** The command that an error reply names, such as `'evalsha'` or, by Redis 6.2, `` `EVALSHA` ``. */
const namedCommand = /\bcommand ['`]([\w|]+)['`]|['`]([\w|]+)['`] command\b/

/** The command that the error reply refuses, in lower case; undefined if it does not say which. */
export const refusedCommandOf = (error: unknown): string | undefined => {
  const [, after, before] = (error instanceof ErrorReply && namedCommand.exec(error.message)) || []
  return (after ?? before)?.toLowerCase()
}

/** A text up to its first quotation, except apostrophes, quoted names of commands, and the setting in the text of OOM. */
const upToQuotation =
  /^(?:[^'"`]|'maxmemory'|(?<=\w)'(?=\w)|(?<=\bcommand )(['`])[\w|]+\1|(['`])[\w|]+\2(?= command\b))*/

/**
 * Returns an error reply without the arguments of its command, because keys and values may be personal data. Redis quotes
 * them, as in `ERR unknown command 'GET', with args beginning with: 'key:…'`. Errors of another origin contain none.
 */
export const withoutArguments = (error: unknown): unknown => {
  if (!(error instanceof ErrorReply)) return error
  const [text = ''] = upToQuotation.exec(error.message) ?? []
  return new ErrorReply(text.replace(/,? with args\b.*/, '').trim())
}
