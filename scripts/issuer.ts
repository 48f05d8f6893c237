/** An issuer of access tokens on loopback, to try AUTH=jwt with: docs/identity.md. Not for production. */

import { once } from 'node:events'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { clientNames, defaultPort } from './issuer/clients.ts'

/** The port is fixed, because the services expect the issuer there. */
const explain = (cause: unknown): never => {
  if (!(cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE')) throw cause
  throw new OperatorError(
    `Port ${defaultPort} is in use, perhaps by another issuer or by Prometheus: stop the process that listens on it.`,
    { cause },
  )
}

await run(async () => {
  for (const name of ['NODE_ENV', 'ENVIRONMENT'])
    if (process.env[name] === 'production')
      throw new OperatorError(`The issuer is for trying, and ${name} is production: its secrets are public.`)
  // Loaded only now: the library writes to standard error when it is loaded.
  const { startIssuer } = await import('./issuer/server.ts')
  await using issuer = await startIssuer(defaultPort).catch(explain)
  const names = clientNames.join(', ')
  process.stdout.write(
    `Issuer of tokens: ${issuer.url}\nTokens: make token NAME=…, one of ${names}\nServices: AUTH=jwt make dev\nStop with Ctrl-C\n`,
  )
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
})
