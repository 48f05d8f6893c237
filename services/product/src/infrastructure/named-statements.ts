import { createHash } from 'node:crypto'
import { SteadyClient } from './steady-client.ts'

/** There are a few dozen statements, whatever the parameters. A bound all the same, should one ever be built from data. */
const maxStatements = 500

const names = new Map<string, string>()

const nameOf = (text: string): string | undefined => {
  const known = names.get(text)
  if (known !== undefined || names.size >= maxStatements) return known
  const name = createHash('sha256').update(text).digest('hex').slice(0, 32)
  names.set(text, name)
  return name
}

/**
 * A connection on which each statement with parameters is prepared once, under a name, and from then on only run: half
 * of the work for driver and server. Not for a pooler that gives a session to many clients.
 */
export class NamedStatementClient extends SteadyClient {
  override query(...input: [unknown, ...unknown[]]): never {
    const [text, values] = input
    const name =
      typeof text === 'string' && Array.isArray(values) && values.length > 0 ? nameOf(text) : undefined
    // The driver has an overload for each shape of input; this one changes the shape and passes on the result.
    return super.query.apply(this, (name === undefined ? input : [{ name, text, values }]) as never) as never
  }
}
