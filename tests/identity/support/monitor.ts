import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

/** Collects the commands that the Redis server is sent from now on, of those that `about` matches. */
export const monitor = async (port: number, about: RegExp) => {
  const child = spawn('redis-cli', ['-p', String(port), 'monitor'], { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  while (!text.includes('OK')) await delay(10)
  return {
    commands: async () => {
      await delay(200)
      return text.split('\n').filter((line) => about.test(line))
    },
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await once(child, 'exit')
    },
  }
}
