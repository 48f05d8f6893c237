import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Metadata } from '@grpc/grpc-js'
import { joinedIdsIn, setJoinedIds } from '../../src/grpc/ids/joined-ids.ts'

const metadataOf = (...ids: readonly string[]): Metadata => {
  const metadata = new Metadata()
  setJoinedIds(metadata, ids)
  return metadata
}

describe('the ids of joined requests', () => {
  it('are read as they were sent, spaces included', () => {
    for (const ids of [['a'], ['a', 'b'], ['my id'], ['a  b', 'c d'], ['%20', 'a,b', 'a, b', '"a"', '\\ \\']])
      assert.deepEqual(new Set(joinedIdsIn(metadataOf(...ids))), new Set(ids))
    assert.equal(joinedIdsIn(metadataOf()), undefined)
  })

  it('are read from clients of the last release, which send them separated by spaces', () => {
    const metadata = new Metadata()
    metadata.set('x-joined-request-ids', 'a b c%20d')
    assert.deepEqual(joinedIdsIn(metadata), ['a', 'b', 'c%20d'])
  })

  it('are sent to servers of the last release, which know only one key and split it at spaces', () => {
    const [text] = metadataOf('a', 'my id', 'b').get('x-joined-request-ids')
    assert.deepEqual(String(text).split(' '), ['a', 'b'])
    assert.deepEqual(metadataOf('my id').get('x-joined-request-ids'), [])
  })

  it('are at most 50, and only those that are printable and have at most 128 characters', () => {
    const ids = Array.from({ length: 40 }, (_, number) => [`id${number}`, `id ${number}`]).flat()
    assert.equal(joinedIdsIn(metadataOf(...ids))?.length, 50)
    const metadata = new Metadata()
    metadata.set('x-joined-request-ids', `${'A'.repeat(129)}  ok`)
    const binary = ['a b', 'tab\tbed', '\u001b[31m x', `a ${'A'.repeat(127)}`, 'ž x', ''].join('\n')
    metadata.set('x-joined-request-ids-bin', Buffer.from(binary))
    assert.deepEqual(joinedIdsIn(metadata), ['ok', 'a b'])
  })
})
