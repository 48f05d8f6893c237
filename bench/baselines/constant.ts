/** The limit of the framework: Fastify answers every request with the body that `PUT /answer` last set. */

import { run } from '@shop/platform/process/lifecycle.ts'
import Fastify from 'fastify'

await run(async () => {
  const app = Fastify()
  let answer = '{}'
  app.put('/answer', (request) => {
    answer = JSON.stringify(request.body)
    return null
  })
  app.all('/*', (_request, reply) => reply.type('application/json; charset=utf-8').send(answer))
  await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) })
  await new Promise((resolve) => process.once('SIGTERM', resolve))
  await app.close()
})
