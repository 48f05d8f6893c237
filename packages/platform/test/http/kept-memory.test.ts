import assert from 'node:assert/strict'
import { once } from 'node:events'
import { it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startServer } from '../support/http-server.ts'
import { listen } from '../support/raw-http.ts'

it('a kept connection does not keep the body of its last request', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  let parsed: WeakRef<object> | undefined
  await using server = await startServer({
    routes: async (app) => {
      app.post('/things', async ({ body }) => {
        parsed = new WeakRef(Object(body))
        return 'done'
      })
    },
  })
  const open = await listen(server.app)
  const body = '{"things":[[],[]]}'
  const socket = await open(
    `POST /things HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  await once(socket, 'data')
  await eventually(20_000, async () => {
    await tick()
    collectGarbage()
    assert.ok(parsed !== undefined && parsed.deref() === undefined)
  })
  assert.equal(server.limits.connections.used(), 1)
  socket.destroy()
})
