/**
 * A DNS server for A records: node dns.ts ADDRESS ZONE, where the file ZONE has the addresses of each name as JSON.
 * Ends with standard input.
 */
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'

const [address = '', zone = ''] = process.argv.slice(2)

const headerBytes = 12
const typeA = 1
const codes = { found: 0, nameError: 3 }

/** The name in the question of a query, and the bytes of the question. */
const questionOf = (query: Buffer) => {
  const labels: string[] = []
  let end = headerBytes
  for (let length = query.readUInt8(end); length > 0; length = query.readUInt8(end)) {
    labels.push(query.toString('latin1', end + 1, end + 1 + length))
    end += 1 + length
  }
  const type = query.readUInt16BE(end + 1)
  return { name: labels.join('.').toLowerCase(), type, bytes: query.subarray(headerBytes, end + 5) }
}

/** An A record whose name is that of the question, valid for a second. */
const recordOf = (ip: string): Buffer =>
  Buffer.from([0xc0, headerBytes, 0, typeA, 0, 1, 0, 0, 0, 1, 0, 4, ...ip.split('.').map(Number)])

const responseTo = (query: Buffer): Buffer => {
  const { name, type, bytes } = questionOf(query)
  const addresses = (JSON.parse(readFileSync(zone, 'utf8')) as Record<string, string[]>)[name] ?? []
  const records = type === typeA ? addresses.map(recordOf) : []
  const header = Buffer.alloc(headerBytes)
  query.copy(header, 0, 0, 2)
  // A response, with the client's wish for recursion granted.
  header.writeUInt16BE(0x8180 | (addresses.length > 0 ? codes.found : codes.nameError), 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  return Buffer.concat([header, bytes, ...records])
}

const socket = createSocket('udp4')
socket.on('message', (query, { port, address: client }) => socket.send(responseTo(query), port, client))
socket.bind(53, address, () => process.stdout.write('ready\n'))
// The parent may not have the right to end this process.
process.stdin.on('end', () => process.exit()).resume()
