/** The limit of the framework: Fastify answers every request with the headers and the body that `PUT /response` last set. */

import { run } from '@shop/platform/process/lifecycle.ts'
import Fastify from 'fastify'

type Response = Readonly<{ headers: Readonly<Record<string, string>>; body: string }>

await run(async () => {
  const app = Fastify()
  let { headers, body }: Response = { headers: {}, body: '{}' }
  app.put<{ Body: Response }>('/response', (request, reply) => {
    ;({ headers, body } = request.body)
    return reply.send('set')
  })
  app.all('/*', (_request, reply) =>
    reply.headers(headers).type('application/json; charset=utf-8').send(body),
  )
  await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) })
  await new Promise((resolve) => process.once('SIGTERM', resolve))
  await app.close()
})
