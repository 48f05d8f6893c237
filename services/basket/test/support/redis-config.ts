import assert from 'node:assert/strict'
import type { RedisConfig } from '@shop/redis/connection.ts'
import { readConfig } from '../../src/config.ts'

/** The Redis that these variables name, as the service is told of it. */
export const redisConfigOf = (variables: Readonly<Record<string, string>>): RedisConfig => {
  const { storage } = readConfig(variables)
  assert.equal(storage.kind, 'redis')
  return storage.redis
}
