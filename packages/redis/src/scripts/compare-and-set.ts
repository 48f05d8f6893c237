import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ErrorReply, type RedisClientType } from '@redis/client'

export type CompareAndSetResult = Readonly<{ done: boolean; found: string | null }>

const script = readFileSync(join(import.meta.dirname, 'compare-and-set.lua'), 'utf8')
const scriptDigest = createHash('sha1').update(script).digest('hex')

/**
 * Runs the script. If the server does not have it (for example after a restart), loads it and runs it again. EVAL instead
 * would not work on a node that is importing the slot: without a second ASKING, the node refuses it and never loads the
 * script.
 */
export const compareAndSet = async (
  client: RedisClientType,
  key: string,
  ...values: string[]
): Promise<CompareAndSetResult> => {
  const command = ['EVALSHA', scriptDigest, '1', key, ...values]
  const run = () => client.sendCommand<[number, string | null]>(command)
  let reply: Awaited<ReturnType<typeof run>>
  try {
    reply = await run()
  } catch (error) {
    if (!(error instanceof ErrorReply && error.message.startsWith('NOSCRIPT'))) throw error
    await client.scriptLoad(script)
    reply = await run()
  }
  const [done, found] = reply
  return { done: done === 1, found }
}
