/** An encoder for the Protocol Buffers wire format. Follows the specification; shares no code with the service. */

/** Base 128, lowest seven bits first. Negative numbers are encoded as 64-bit two's complement. */
const varint = (value: number): number[] => {
  const bytes = []
  let rest = BigInt.asUintN(64, BigInt(value))
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0))
    rest >>= 7n
  } while (rest > 0n)
  return bytes
}

const wireType = { varint: 0, fixed64: 1, delimited: 2 } as const

const key = (field: number, type: keyof typeof wireType): number[] => varint((field << 3) | wireType[type])

const delimited = (field: number, bytes: readonly number[]): number[] => [
  ...key(field, 'delimited'),
  ...varint(bytes.length),
  ...bytes,
]

export const int32 = (field: number, value: number): number[] => [...key(field, 'varint'), ...varint(value)]

export const string = (field: number, value: string): number[] => delimited(field, [...Buffer.from(value)])

export const double = (field: number, value: number): number[] => {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return [...key(field, 'fixed64'), ...bytes]
}

export const message = delimited

/** A repeated int32 in packed encoding, the default of proto3. */
export const int32s = (field: number, values: readonly number[]): number[] =>
  delimited(field, values.flatMap(varint))
