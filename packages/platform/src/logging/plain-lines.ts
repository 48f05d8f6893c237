import { withoutUrlCredentials } from '../url-credentials.ts'
import type { BatchedOutput } from './batched-output.ts'

/** Fields that contain no credentials. Undefined ones are left out. */
export type PlainFields = Readonly<Record<string, string | number | readonly string[] | undefined>>

/** Writes lines whose fields are not redacted. URLs in them still lose their credentials. */
export type PlainLines = Readonly<Record<'info' | 'debug', (fields: PlainFields, message: string) => void>>

/**
 * The same for fields that are JSON already, such as `"status":200,"method":"GET"`. For the line of each request: it may wait
 * some milliseconds for others, with which it is then written.
 */
export type JsonLines = Readonly<Record<'info' | 'debug', (members: string, message: string) => void>>

type Parts = Readonly<{
  base: Readonly<Record<string, unknown>>
  /** The time as a JSON field, with a comma in front. */
  timestamp: () => string
  contextFields: () => PlainFields
  traceFields: () => PlainFields | undefined
  destinations: readonly BatchedOutput[]
}>

/** The JSON of these strings is the string in quotation marks, and they contain no URL. */
const plainText = /^[ !#-9;-[\]-~]*(?::(?!\/\/)[ !#-9;-[\]-~]*)*$/

/** The string as JSON, without the credentials of URLs. */
export const jsonText = (text: string): string =>
  plainText.test(text) ? `"${text}"` : withoutUrlCredentials(JSON.stringify(text), 'json')

/** The fields as JSON, without the braces. */
const jsonMembers = (fields: PlainFields): string =>
  withoutUrlCredentials(JSON.stringify(fields), 'json').slice(1, -1)

/**
 * Writes the bytes that pino would write, in half the time: the line of a request takes 0.9 µs instead of 1.7, with the write
 * to the file. Lines of fields made by hand take 0.5 µs less. `isEnabled` is asked for every line, because a level may change.
 */
export const plainLines = (
  { base, timestamp, contextFields, traceFields, destinations }: Parts,
  isEnabled: (level: string) => boolean,
): Readonly<{ plain: PlainLines; json: JsonLines }> => {
  const baseFields = Object.entries(base)
    .map(([name, value]) => `,${JSON.stringify({ [name]: value }).slice(1, -1)}`)
    .join('')
  const lineOf = (level: string, members: string, message: string): string =>
    `{"level":"${level}"${timestamp()}${baseFields}${members === '' ? '' : `,${members}`},"msg":${jsonText(message)}}\n`
  const plainAt = (level: keyof PlainLines) => (fields: PlainFields, message: string) => {
    if (!isEnabled(level)) return
    const line = lineOf(level, jsonMembers({ ...contextFields(), ...fields }), message)
    for (const destination of destinations) destination.write(line)
  }
  const jsonAt = (level: keyof JsonLines) => (members: string, message: string) => {
    if (!isEnabled(level)) return
    const ids = traceFields()
    const line = lineOf(level, ids === undefined ? members : `${jsonMembers(ids)},${members}`, message)
    for (const destination of destinations) destination.writeSoon(line)
  }
  return {
    plain: { info: plainAt('info'), debug: plainAt('debug') },
    json: { info: jsonAt('info'), debug: jsonAt('debug') },
  }
}
