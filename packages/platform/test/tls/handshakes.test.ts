import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { createHandshakes } from '../../src/tls/handshakes.ts'

const open = (max: number) => {
  const cuts: string[] = []
  const handshakes = createHandshakes({ onCut: (reason) => cuts.push(reason), max, checkMs: 60_000 })
  const begin = (client: string | undefined): Socket => {
    const raw = new Socket()
    handshakes.begin(raw, client)
    return raw
  }
  return { ...handshakes, begin, cuts, [Symbol.dispose]: () => handshakes.destroy() }
}

const destroyed = (sockets: readonly Socket[]): number => sockets.filter((socket) => socket.destroyed).length

describe('too many handshakes in progress', () => {
  it('cut off the oldest of the client with the most, and none of the others', () => {
    using handshakes = open(10)
    const innocent = [handshakes.begin('innocent'), handshakes.begin('innocent')]
    const proxied = handshakes.begin(undefined)
    const flood = Array.from({ length: 1_000 }, () => handshakes.begin('attacker'))
    assert.equal(destroyed([...innocent, proxied]), 0)
    assert.equal(destroyed(flood), 993)
    assert.equal(destroyed(flood.slice(-7)), 0)
    assert.deepEqual(
      handshakes.cuts,
      Array.from({ length: 993 }, () => 'evicted'),
    )
    const late = handshakes.begin('late')
    assert.deepEqual([destroyed([...innocent, late]), destroyed(flood)], [0, 994])
  })

  it('are none if the earlier ones have ended or are closed', () => {
    using handshakes = open(2)
    const ended = handshakes.begin('client')
    assert.equal(handshakes.end(ended), true)
    assert.equal(handshakes.end(ended), false)
    handshakes.begin('client').destroy()
    const sockets = [handshakes.begin('client'), handshakes.begin('client')]
    assert.equal(destroyed([ended, ...sockets]), 0)
    assert.deepEqual(handshakes.cuts, [])
  })
})
