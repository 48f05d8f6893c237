import assert from 'node:assert/strict'
import type { RedisConfig } from '@shop/redis/connection.ts'
import { readConfig } from '../../src/config.ts'

/** Returns the Redis configuration that the service reads from these variables. */
export const redisConfigOf = (variables: Readonly<Record<string, string>>): RedisConfig => {
  const { storage } = readConfig(variables)
  assert.equal(storage.kind, 'redis')
  return storage.redis
}
