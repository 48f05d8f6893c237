import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  BadRequest,
  ErrorInfo,
  BadRequest_FieldViolation as FieldViolation,
} from '@shop/contracts/google/rpc/errors.ts'
import { countThatFits, maxResponseBytes, repeatedField, reusingWriter } from '../../src/grpc/message-size.ts'

/** A codec that counts how many messages it encodes. */
const countingCodec = () => {
  let encoded = 0
  const encode = (message: ErrorInfo) => {
    encoded += 1
    return ErrorInfo.encode(message)
  }
  return { encode, count: () => encoded }
}

const messageOf = (text: string, metadata: Record<string, string> = {}): ErrorInfo =>
  ErrorInfo.fromPartial({ reason: text, metadata })

const sizeOf = (messages: readonly ErrorInfo[]): number =>
  messages.reduce((bytes, message) => bytes + 6 + ErrorInfo.encode(message).finish().length, 0)

describe('the number of messages that fit into a response', () => {
  it('is all of them if they are small, and none is encoded to find out', () => {
    const codec = countingCodec()
    const messages = Array.from({ length: 1_000 }, () => messageOf('x'.repeat(1_000)))
    assert.equal(countThatFits(codec, messages), 1_000)
    assert.equal(codec.count(), 0)
  })

  it('is counted exactly near the limit', () => {
    const ascii = Array.from({ length: 1_000 }, () => messageOf('x'.repeat(3_500)))
    assert.equal(countThatFits(ErrorInfo, ascii), 1_000, 'the bound assumes three bytes per character')
    const chinese = Array.from({ length: 1_000 }, () => messageOf('漢'.repeat(3_500)))
    const count = countThatFits(ErrorInfo, chinese)
    assert.ok(sizeOf(chinese.slice(0, count)) <= maxResponseBytes)
    assert.ok(sizeOf(chinese.slice(0, count + 2)) > maxResponseBytes)
    assert.equal(countThatFits(ErrorInfo, [messageOf('x'.repeat(4_000_000))]), 0)
  })

  it('never exceeds the limit, whatever the messages contain', () => {
    const key = '漢'.repeat(20_000)
    for (const unit of ['x', 'é', '漢', '😀', '\ud800', '\0'])
      for (const metadata of [{}, { [key]: unit.repeat(100_000) }]) {
        const messages = Array.from({ length: 30 }, () => messageOf(unit.repeat(50_000), metadata))
        const count = countThatFits(ErrorInfo, messages)
        assert.ok(sizeOf(messages.slice(0, count)) <= maxResponseBytes)
        if (count < 30) assert.ok(sizeOf(messages.slice(0, count + 1)) > maxResponseBytes - 5_000)
      }
  })
})

describe('a repeated field of encoded messages', () => {
  const violationOf = (length: number) => FieldViolation.fromPartial({ description: 'x'.repeat(length) })

  it('has the bytes of the generated encoder, whatever the lengths', () => {
    const fieldViolations = [0, 1, 125, 126, 127, 128, 16_379, 16_380, 16_381, 300_000].map(violationOf)
    const encoded = fieldViolations.map((violation) => FieldViolation.encode(violation).finish())
    const expected = Buffer.from(BadRequest.encode({ fieldViolations }).finish())
    assert.deepEqual(repeatedField(1, encoded), expected)
    assert.deepEqual(repeatedField(1, []), Buffer.alloc(0))
  })

  it('is refused if a response cannot have it, and the rest is not encoded', () => {
    let encoded = 0
    const messages = Array.from({ length: 100 }).values()
    const large = messages.map(() => {
      encoded += 1
      return new Uint8Array(1024 * 1024)
    })
    assert.equal(repeatedField(1, large), undefined)
    assert.equal(encoded, 4)
  })
})

it('a writer that is used again begins anew, also after a message that cannot be encoded', () => {
  const encode = reusingWriter<ErrorInfo>((message, writer) => ErrorInfo.encode(message, writer))
  const message = messageOf('text', { key: 'value' })
  const expected = ErrorInfo.encode(message).finish()
  for (let count = 0; count < 2; count++) {
    assert.deepEqual(encode(message), expected)
    const broken = reusingWriter<number>((value, writer) => writer.int32(1).int32(value))
    assert.throws(() => broken(2 ** 40))
    assert.deepEqual(broken(3), Uint8Array.of(1, 3))
  }
})
