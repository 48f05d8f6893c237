import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { status } from '@grpc/grpc-js'
import { statusOf } from '../support/calls.ts'
import { headOf, type Operation, portFor, reads, titleOf } from '../support/operations.ts'
import type { Row } from '../support/row.ts'
import { rpcs } from '../support/rpcs.ts'
import type { Shop } from '../support/shop.ts'

const answerTo = async (shop: Shop, operation: Operation, variant: number): Promise<string> => {
  const socket = connect(portFor(shop, operation), '127.0.0.1')
  socket.write(headOf(operation, variant).replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  return (await text(socket)).slice(0, 500)
}

const okay: ReadonlySet<number> = new Set([status.OK, status.NOT_FOUND])

/** Otherwise the services would refuse the attacks for another reason, and withstand everything. */
export const validRequests: Row = {
  name: 'The requests of the attacks on every route and RPC are valid',
  shared: true,
  attacks: [
    ...reads.map((operation) => ({
      name: titleOf(operation),
      run: async (shop: Shop) => {
        for (const variant of [0, 1])
          assert.match(
            await answerTo(shop, operation, variant),
            /^HTTP\/1\.1 200 /,
            operation.pathOf(variant),
          )
        return ''
      },
    })),
    ...rpcs.map((rpc) => ({
      name: rpc.path,
      run: async ({ grpcPort }: Shop) => {
        const code = await statusOf(rpc, { port: grpcPort, from: '127.0.0.1' })
        assert.ok(okay.has(code), `${rpc.path}: ${status[code]}`)
        return ''
      },
    })),
  ],
}
