import { setTimeout as delay } from 'node:timers/promises'
import { onServer } from '@shop/testing/stores/own-redis.ts'

/** Resolves with the commands that the Redis server is sent during the work, of those that `about` matches. */
export const commandsDuring = (port: number, about: RegExp, work: () => Promise<void>): Promise<string[]> =>
  onServer(port, async (client) => {
    const commands: string[] = []
    await client.monitor((line) => {
      if (about.test(line)) commands.push(line)
    })
    await work()
    await delay(200)
    return commands
  })
