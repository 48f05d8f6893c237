import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** A server that passes requests for the keys on, but only when they are released. */
export const startHeldServer = async (keysUrl: string) => {
  const held: (() => void)[] = []
  let isOpen = false
  const server = createServer((_request, response) => {
    const send = async () => response.end(await (await fetch(keysUrl)).text())
    if (isOpen) void send()
    else held.push(() => void send())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    /** Resolves when somebody has just asked. */
    untilAsked: async () => {
      held.length = 0
      while (held.length === 0) await delay(5)
    },
    release: () => {
      isOpen = true
      for (const send of held) send()
    },
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
