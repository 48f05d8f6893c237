import { setTimeout as delay } from 'node:timers/promises'
import { sized } from '../support/form.ts'
import { headOf, portFor, reads, titleOf } from '../support/operations.ts'
import type { Row } from '../support/row.ts'
import { abandon, departures, doNotRead, sendAtOnce, statusesOf } from '../support/sockets.ts'

/** More than there may be statements. */
const abandoned = sized(60, 500)
const readers = sized(20, 50)
const ofPipeline = 10
const concurrency = sized(24, 64)
const atOnce = sized(24, 1_000)

/** Every route that reads, in the documents of both services. Nobody waits, so nothing is done. */
export const abandonedRoutes: Row = {
  name: 'Every route, abandoned',
  maxStatements: 50,
  shared: true,
  attacks: reads.map((operation) => ({
    name: `${titleOf(operation)}: ${abandoned} times abandoned`,
    run: async (shop, from) => {
      const requests = Array.from({ length: abandoned }, (_, index) => ({
        port: portFor(shop, operation),
        from: from(index % 15),
        text: headOf(operation, index),
      }))
      await abandon(requests, departures.closed)
      return ''
    },
  })),
}

export const unreadRoutes: Row = {
  name: 'Every route, not read',
  inSequence: true,
  shared: true,
  attacks: reads.map((operation) => ({
    name: `${titleOf(operation)}: not read by ${readers} clients`,
    run: async (shop, from) => {
      const port = portFor(shop, operation)
      const textOf = (client: number) =>
        Array.from({ length: ofPipeline }, (_, index) => headOf(operation, client * ofPipeline + index)).join(
          '',
        )
      using _ = await doNotRead(readers, () => ({ port, from: from() }), textOf)
      await delay(sized(50, 2_000))
      return ''
    },
  })),
}

export const manyRoutes: Row = {
  name: 'Every route, many at a time',
  inSequence: true,
  shared: true,
  attacks: reads.map((operation) => ({
    name: `${titleOf(operation)}: ${atOnce} times, ${concurrency} at a time`,
    run: async (shop, from) => {
      const { url } = shop[operation.service]
      const requests = Array.from({ length: atOnce }, (_, index) => ({
        method: operation.method,
        url: `${url}${operation.pathOf(index)}`,
        from: from(),
      }))
      return JSON.stringify(statusesOf(await sendAtOnce(concurrency, requests)))
    },
  })),
}
