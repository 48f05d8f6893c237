import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { unlessReachable } from './servers.ts'

/** Runs a command of nftables, which needs root. Debian installs the program in /usr/sbin. */
const nft = (command: string) => {
  const [file, args] = process.getuid?.() === 0 ? ['nft', []] : ['sudo', ['--non-interactive', 'nft']]
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` }
  return promisify(execFile)(file, [...args, command], { env })
}

/** Limits a cut whose test is killed before it ends it. */
const maxCutSeconds = 60

/** A rule set that drops the packets of some TCP ports on loopback, which ends with the returned object. */
export const openPacketLoss = async () => {
  const table = `inet shop_test_${randomBytes(6).toString('hex')}`
  // Packets are dropped on arrival: a packet that is dropped when it is sent is an error for its sender.
  await nft(`table ${table} {
    set ports { type inet_service; flags timeout; }
    chain arriving {
      type filter hook input priority filter;
      iif lo tcp dport @ports drop
      iif lo tcp sport @ports drop
    }
  }`)
  return {
    /** Drops the packets from and to this port. Nothing is closed or refused, as when a network or machine fails. */
    cut: (port: number) => nft(`add element ${table} ports { ${port} timeout ${maxCutSeconds}s }`),
    restore: (port: number) => nft(`delete element ${table} ports { ${port} }`),
    [Symbol.asyncDispose]: async () => void (await nft(`delete table ${table}`)),
  }
}

/** For a suite's `skip`: the reason if packets cannot be dropped here, otherwise false. */
export const withoutPacketLoss = await unlessReachable('nft (as root)', async () =>
  (await openPacketLoss())[Symbol.asyncDispose](),
)
