/** The limit of the framework: Fastify answers every request with the body that `PUT /response` last set. */

import { run } from '@shop/platform/process/lifecycle.ts'
import Fastify from 'fastify'

await run(async () => {
  const app = Fastify()
  let body = '{}'
  app.put('/response', (request) => {
    body = JSON.stringify(request.body)
    return null
  })
  app.all('/*', (_request, reply) => reply.type('application/json; charset=utf-8').send(body))
  await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) })
  await new Promise((resolve) => process.once('SIGTERM', resolve))
  await app.close()
})
