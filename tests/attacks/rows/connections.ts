import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { newcomerAddress, sized } from '../support/form.ts'
import { connectionsOf } from '../support/observed.ts'
import type { Row } from '../support/row.ts'
import { portOf } from '../support/shop.ts'
import { holdOpen, sendAtOnce, statusesOf } from '../support/sockets.ts'

const count = sized(500, 10_000)
const newcomers = 10
/** The share of one client, and some that are told so. */
const maxConnections = 300

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0'

const kinds = [
  { name: 'that send nothing to the HTTP port', grpc: false, text: '' },
  { name: 'that are kept alive', grpc: false, text: 'GET /products/1 HTTP/1.1\r\nHost: localhost\r\n\r\n' },
  { name: 'that send nothing to the gRPC port', grpc: true, text: '' },
  { name: 'that open an HTTP/2 session', grpc: true, text: preface },
]

export const connections: Row = {
  name: '4 · connections of one address',
  refuses: ['connections'],
  attacks: kinds.map(({ name, grpc, text }) => ({
    name: `4 · ${count} connections ${name}`,
    run: async (shop, from) => {
      const port = grpc ? shop.grpcPort : portOf(shop.product)
      using _ = await holdOpen(
        count,
        () => ({ port, from: from() }),
        () => text,
      )
      await delay(sized(300, 3_000))
      const url = `${shop.product.url}/products/1`
      const requests = Array.from({ length: newcomers }, () => ({
        method: 'GET',
        url,
        from: newcomerAddress,
      }))
      const statuses = statusesOf(await sendAtOnce(newcomers, requests, AbortSignal.timeout(10_000)))
      assert.deepEqual(statuses, { 200: newcomers }, 'newcomers are served')
      return eventually(sized(5_000, 10_000), async () => {
        const open = connectionsOf(from(), port)
        assert.ok(open <= maxConnections, `${open} connections of one address`)
        return `${open} stay open`
      })
    },
  })),
}
