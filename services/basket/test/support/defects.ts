import assert from 'node:assert/strict'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import type { RedisApp } from './redis-app.ts'

/** Asserts that the service becomes degraded but stays ready, with only this check down, for a matching reason. */
export const untilDegraded = async (app: RedisApp, check: string, reason: RegExp) => {
  await eventually(20_000, async () => {
    const { status, checks } = (await app.health()).json()
    assert.equal(status, 'degraded')
    assert.match(checks[check].reason, reason)
    const down = Object.keys(checks).filter((name) => checks[name].status === 'down')
    assert.deepEqual(down, [check])
  })
  assert.equal((await app.health('/health/ready')).statusCode, 200)
  const scrape = await app.scrape()
  assert.match(scrape, new RegExp(`^dependency_up\\{dependency="${check}".*\\} 0$`, 'm'))
  assert.match(scrape, /^service_ready\{.*\} 1$/m)
}

/** The messages about a check, in order, with their reasons. */
export const checkLog = (lines: readonly Record<string, unknown>[], check: string): string[] =>
  lines
    .filter((line) => line['check'] === check)
    .map(({ msg, reason }) => [msg, reason].filter(Boolean).join(': '))
