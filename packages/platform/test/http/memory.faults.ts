import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { defaultLimits } from '../../src/limits/limits.ts'
import { startWithReaders } from '../support/readers.ts'

const maxRssBytes = 300_000_000
const innocent = '127.0.0.1'

type Server = Awaited<ReturnType<typeof startWithReaders>>

/** A client that does not read does not notice the end, so the server is asked. */
const holdsNothing = async ({ metric }: Server) => {
  const values = [...(await metric('unread_response_bytes')), ...(await metric('request_body_bytes'))]
  return values.every((line) => line.endsWith(' 0'))
}

/** Serves an innocent client until `isOver`. Returns the largest RSS and all statuses. */
const serveInnocent = async (server: Server, isOver: () => boolean | Promise<boolean>, limitMs: number) => {
  const statuses = new Set<number>()
  const deadline = performance.now() + limitMs
  let rss = 0
  while (!(await isOver())) {
    assert.ok(performance.now() < deadline, 'the attack lasts too long')
    statuses.add((await server.get(innocent, '/list')).status)
    const post = 'POST /short HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}'
    statuses.add((await server.send(innocent, post)).status)
    rss = Math.max(rss, process.memoryUsage.rss())
    await delay(25)
  }
  return { rss, statuses: [...statuses] }
}

describe('with the default limits, others are served within 300 MB while one address', () => {
  for (const [kind, limitMs] of [
    ['unread', 50_000],
    ['unfinished', 25_000],
    ['pipelined', 50_000],
  ] as const)
    it(`attacks with ${kind} requests, until nothing is held for it`, async () => {
      await using server = await startWithReaders(defaultLimits)
      const { port } = server.app.server.address() as AddressInfo
      const attacker = fork(new URL('programs/attack.ts', import.meta.url), [String(port), kind])
      try {
        let isSent = false
        attacker.once('message', () => (isSent = true))
        const isOver = async () => isSent && (await holdsNothing(server))
        const { rss, statuses } = await serveInnocent(server, isOver, limitMs)
        assert.deepEqual(statuses, [200])
        assert.ok(rss < maxRssBytes, `${rss} bytes`)
      } finally {
        attacker.kill()
        await once(attacker, 'exit')
      }
    })
})
