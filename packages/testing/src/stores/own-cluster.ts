import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../asserts/eventually.ts'
import { onServer, startRedis } from './own-redis.ts'
import { documentedUser } from './redis-user.ts'

const slots = 16_384
const changeTimeoutMs = 30_000

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer().listen(port, '127.0.0.1')
  const free = await Promise.race([
    once(server, 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ]).catch(() => false)
  server.close()
  return free
}

/**
 * Returns ports below the ephemeral range that are free, as are the ports 10,000 above them, which the nodes use for the
 * cluster bus.
 */
export const freePorts = async (count: number): Promise<number[]> => {
  const ports: number[] = []
  let port = 10_000 + Math.floor(Math.random() * 10_000)
  for (; ports.length < count; port++)
    if ((await isFree(port)) && (await isFree(port + 10_000))) ports.push(port)
  return ports
}

type Server = Readonly<{ port: number; id: string }>

/** Nodes ping each other twice within this timeout. A node that is silent for longer is considered failed. */
const setNodeTimeout = (port: number, ms: number) =>
  onServer(port, (client) => client.configSet('cluster-node-timeout', String(ms)))

const startNode = async (stack: AsyncDisposableStack, port: number, folder: string, aclFile: string) => {
  const settings = {
    aclfile: aclFile,
    'cluster-enabled': 'yes',
    'cluster-config-file': join(folder, `${port}.conf`),
    'cluster-node-timeout': '2000',
    'cluster-replica-validity-factor': '0',
    'cluster-migration-barrier': '9',
    'repl-diskless-sync-delay': '0',
  }
  let process = startRedis(port, settings)
  stack.defer(() => process.kill())
  const id = await eventually(changeTimeoutMs, () =>
    onServer(port, (client) => client.sendCommand<string>(['CLUSTER', 'MYID'])),
  )
  return {
    port,
    id,
    suspend: () => process.suspend(),
    resume: () => process.resume(),
    kill: () => process.kill(),
    /** Starts the node again, without its data. */
    restart: () => {
      process = startRedis(port, settings)
    },
  }
}

const clusterReport = (port: number, subcommand: 'NODES' | 'INFO') =>
  onServer(port, (client) => client.sendCommand<string>(['CLUSTER', subcommand]))

/** Makes the first half of the nodes primaries, and each of the others a replica of one of them. */
const formCluster = async (nodes: readonly Server[]): Promise<void> => {
  const half = nodes.length / 2
  const [first] = nodes
  for (const [index, { port }] of nodes.entries())
    await onServer(port, async (client) => {
      const [from, to] = [0, 1].map((next) => Math.floor((slots / half) * (index + next)))
      const ownSlots = Array.from({ length: Number(to) - Number(from) }, (_, slot) => Number(from) + slot)
      if (index < half) await client.clusterAddSlots(ownSlots)
      await client.sendCommand(['CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1)])
      if (first !== undefined && index > 0) await client.clusterMeet('127.0.0.1', first.port)
    })
  const checkEveryNode = async (check: (port: number) => Promise<void>) => {
    for (const { port } of nodes) await eventually(changeTimeoutMs, () => check(port))
  }
  await checkEveryNode(async (port) => {
    const known = await clusterReport(port, 'NODES')
    assert.equal(known.match(/ connected/g)?.length, nodes.length)
    assert.doesNotMatch(known, /handshake/)
  })
  for (const [index, { port }] of nodes.slice(half).entries())
    await onServer(port, (client) => client.clusterReplicate(nodes[index]?.id ?? ''))
  await checkEveryNode(async (port) => {
    assert.match(await clusterReport(port, 'INFO'), /cluster_state:ok/)
    assert.equal((await clusterReport(port, 'NODES')).match(/slave/g)?.length, half)
    const replication = await onServer(port, (client) => client.info('replication'))
    assert.match(replication, /state=online|master_link_status:up/)
  })
  // Long enough that a stall of the machine does not count as a failure.
  for (const { port } of nodes) await setNodeTimeout(port, 20_000)
}

export type OwnCluster = Awaited<ReturnType<typeof startOwnCluster>>

/** Starts six servers on loopback: three primaries with one replica each. */
export const startOwnCluster = async () => {
  await using cleanup = new AsyncDisposableStack()
  const folder = cleanup.use(await mkdtempDisposable(join(tmpdir(), 'redis-cluster-')))
  const aclFile = join(folder.path, 'users.acl')
  const { name, password, rules } = documentedUser()
  await writeFile(aclFile, `user ${[name, 'on', `>${password}`, ...rules].join(' ')}\n`)
  const ports = await freePorts(6)
  const nodes = await Promise.all(ports.map((port) => startNode(cleanup, port, folder.path, aclFile)))
  await formCluster(nodes)
  const stack = cleanup.move()
  const [first] = ports
  const nodeOf = (id: string | undefined) => {
    const node = nodes.find((candidate) => candidate.id === id)
    assert.ok(node)
    return node
  }
  return {
    nodes,
    addresses: ports.map((port) => `127.0.0.1:${port}`).join(),
    /** Environment variables of a service that connects as the user from docs/redis.md. */
    variables: {
      REDIS_CLUSTER_NODES: ports.map((port) => `127.0.0.1:${port}`).join(),
      REDIS_USERNAME: name,
      REDIS_PASSWORD: password,
    },
    /** The commands and keys that the user from docs/redis.md was denied. */
    aclLog: async () => {
      const logs = nodes.map(({ port }) =>
        onServer(port, (client) => client.sendCommand<unknown[]>(['ACL', 'LOG'])),
      )
      return (await Promise.all(logs)).flat()
    },
    /** The primary of the slot and its replica, according to the first node. */
    shardOf: async (slot: number) => {
      const shards = await onServer(first ?? 0, (client) => client.clusterSlots())
      const primary = nodeOf(shards.find(({ from, to }) => from <= slot && slot <= to)?.master.id)
      const known = await clusterReport(first ?? 0, 'NODES')
      return { primary, replica: nodeOf(new RegExp(`^(\\w+) .*slave ${primary.id}`, 'm').exec(known)?.[1]) }
    },
    /** Shortens the node timeout to one second, so that the replica of a failed primary is soon promoted. */
    allowFailover: async () => {
      await Promise.all(nodes.map(({ port }) => setNodeTimeout(port, 1_000).catch(() => {})))
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
