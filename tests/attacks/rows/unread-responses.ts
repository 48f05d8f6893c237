import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { isLong, sized } from '../support/form.ts'
import { refusalsOf, unreadBytes } from '../support/observed.ts'
import type { Attack, Row } from '../support/row.ts'
import { portOf } from '../support/shop.ts'
import { doNotRead, readSlowly, type Sockets, type Target } from '../support/sockets.ts'

const clients = sized(6, 50)
const cutMs = 60_000
/** The kernel takes up to four pages of each client. */
const pages = 20

/** Different pages, so that the clients do not share their bytes. */
const textOf = (client: number): string =>
  Array.from(
    { length: pages },
    (_, page) =>
      `GET /products/category/Long?limit=${1_000 - ((client * pages + page) % 900)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  ).join('')

type Open = (target: () => Target) => Promise<Sockets>

const mebibytes = (bytes: number) => Math.round(bytes / 1024 / 1024)

const attackOf = (name: string, isCut: boolean, open: Open): Attack => ({
  name: `3 · ${clients} clients that ${name}`,
  run: async (shop, from) => {
    const port = portOf(shop.product)
    const { response_bytes: refused = 0 } = await refusalsOf(shop.product)
    const started = performance.now()
    using _ = await open(() => ({ port, from: from() }))
    await eventually(20_000, async () =>
      assert.ok(
        ((await refusalsOf(shop.product)).response_bytes ?? 0) > refused,
        'further pages are refused',
      ),
    )
    await delay(sized(0, 5_000))
    const held = await unreadBytes(shop.product)
    // Small responses, such as refusals, are in the kernel: such a client is idle, not slow.
    if (isLong && isCut) await eventually(cutMs, async () => assert.equal(await unreadBytes(shop.product), 0))
    else if (isLong) await delay(cutMs)
    const seconds = Math.round((performance.now() - started) / 1_000)
    return `${mebibytes(held)} MiB are held, and ${mebibytes(await unreadBytes(shop.product))} MiB after ${seconds} s`
  },
})

export const unreadResponses: Row = {
  name: '3 · clients that do not read',
  inSequence: true,
  attacks: [
    attackOf('do not read', true, (target) => doNotRead(clients, target, textOf)),
    attackOf('read 1 byte a second', true, (target) => readSlowly(clients, target, textOf, 1)),
    // Progress, so they may go on as long as there is room for them.
    attackOf('read 16 KiB a second', false, (target) => readSlowly(clients, target, textOf, 16_384)),
  ],
}
