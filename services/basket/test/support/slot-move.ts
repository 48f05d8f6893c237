import assert from 'node:assert/strict'
import { keySlot } from '@shop/redis/key-slot.ts'
import type { OwnCluster } from '@shop/testing/stores/own-cluster.ts'
import { onServer } from '@shop/testing/stores/own-redis.ts'

/** Starts to move the tag's slot to another primary, which does not have the script yet. */
export const startSlotMove = async (cluster: OwnCluster, tag: string) => {
  const slot = keySlot(tag)
  const source = await cluster.shardOf(slot)
  const target = await cluster.shardOf((slot + 8_192) % 16_384)
  assert.notEqual(source.primary, target.primary)
  const { port, id } = target.primary
  const onSource = <Result>(use: Parameters<typeof onServer<Result>>[1]) => onServer(source.primary.port, use)

  await onServer(port, async (client) => {
    await client.scriptFlush()
    await client.clusterSetSlot(slot, 'IMPORTING', source.primary.id)
  })
  await onSource((client) => client.clusterSetSlot(slot, 'MIGRATING', id))
  return {
    target,
    moveKey: (key: string) => onSource((client) => client.migrate('127.0.0.1', port, key, 0, 5_000)),
    finish: async () => {
      await onServer(port, (client) => client.clusterSetSlot(slot, 'NODE', id))
      await onSource((client) => client.clusterSetSlot(slot, 'NODE', id))
    },
  }
}
