/** Attacks the server on the port of the first argument, from another address, in the way of the second. Ends by itself. */

import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const [port, kind] = process.argv.slice(2)
const durationMs = 60_000

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`
const unfinished =
  'POST /short HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 65000\r\n\r\n' +
  ' '.repeat(64_000)

const attacks: Readonly<Record<string, Readonly<{ connections: number; text: string }>>> = {
  unread: { connections: 50, text: get('/bytes/8000000') },
  unfinished: { connections: 3_000, text: unfinished },
  pipelined: { connections: 10, text: get('/bytes/8000000') + get('/health/live').repeat(10_000) },
}

const { connections, text } = attacks[kind ?? ''] ?? { connections: 0, text: '' }
for (let count = 1; count <= connections; count++) {
  connect({ port: Number(port), host: '127.0.0.1', localAddress: '127.0.0.9' })
    .on('error', () => {})
    .write(text)
  if (count % 50 === 0) await delay(10)
}
process.send?.('sent')
await delay(durationMs)
process.exit()
