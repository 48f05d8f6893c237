import { BinaryWriter } from '@bufbuild/protobuf/wire'

/**
 * The maximum size of a response whose number of items depends on stored data. Default clients accept 4 MiB, and
 * cannot skip a larger one.
 */
export const maxResponseBytes = 3.5 * 1024 * 1024

/** More than the rest of a response takes, such as a page token. */
const reservedBytes = 4_096

/** More than the tag and the length of a nested message take. */
const maxFramingBytes = 10

/** A number takes at most ten bytes after its tag. */
const maxNumberBytes = 15

/** The codec of a generated message. */
type Encoder<Message> = Readonly<{ encode: (message: Message) => { finish: () => Uint8Array } }>

/** Returns an upper bound of the encoded size of any message. It is cheap, because it does not encode strings. */
const sizeBound = (value: unknown): number => {
  // A UTF-16 code unit takes at most three bytes in UTF-8; a surrogate pair takes four.
  if (typeof value === 'string') return maxFramingBytes + 3 * value.length
  if (typeof value !== 'object' || value === null) return maxNumberBytes
  let bytes = maxFramingBytes
  // The keys of maps are sent too. Those of messages are not, but are short.
  // Four times as fast as with Object.entries, which allocates.
  for (const key in value) bytes += 3 * key.length + sizeBound(value[key as keyof typeof value])
  return bytes
}

const hasRoomFor = (messages: readonly unknown[]): boolean => {
  let bytes = reservedBytes
  for (const message of messages) {
    bytes += sizeBound(message)
    if (bytes > maxResponseBytes) return false
  }
  return true
}

/**
 * Returns how many of the messages, from the first, a response of at most `maxResponseBytes` can contain. Messages are
 * only encoded to measure them if there may be too many.
 */
export const countThatFits = <Message>(
  { encode }: Encoder<Message>,
  messages: readonly Message[],
): number => {
  if (hasRoomFor(messages)) return messages.length
  let bytes = reservedBytes
  for (const [index, message] of messages.entries()) {
    bytes += maxFramingBytes + encode(message).finish().length
    if (bytes > maxResponseBytes) return index
  }
  return messages.length
}

/**
 * Returns a function that encodes messages with one writer. It takes 0.5 µs less for each than with a writer of its own,
 * which begins with a buffer of 1 kB.
 */
export const reusingWriter = <Message>(encode: (message: Message, writer: BinaryWriter) => unknown) => {
  const writer = new BinaryWriter()
  return (message: Message): Uint8Array => {
    try {
      encode(message, writer)
    } catch (error) {
      // The next message must not begin with the part that was written.
      writer.finish()
      throw error
    }
    return writer.finish()
  }
}

/** Writes a length as a varint, from this position on. Returns the position after it. */
const writeLength = (buffer: Buffer, position: number, length: number): number => {
  let rest = length
  let end = position
  for (; rest > 0x7f; rest >>>= 7) buffer[end++] = (rest & 0x7f) | 0x80
  buffer[end] = rest
  return end + 1
}

/**
 * Encodes a response whose only content is a field of these encoded messages, with a number of at most 15. Returns
 * undefined if it would have more than `maxResponseBytes`, without asking for the messages that follow.
 */
export const repeatedField = (number: number, messages: Iterable<Uint8Array>): Buffer | undefined => {
  const parts: Uint8Array[] = []
  let bytes = reservedBytes
  for (const message of messages) {
    bytes += maxFramingBytes + message.length
    if (bytes > maxResponseBytes) return undefined
    parts.push(message)
  }
  const buffer = Buffer.allocUnsafe(bytes)
  let end = 0
  for (const part of parts) {
    buffer[end] = (number << 3) | 2
    end = writeLength(buffer, end + 1, part.length)
    buffer.set(part, end)
    end += part.length
  }
  return buffer.subarray(0, end)
}
