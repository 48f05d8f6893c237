/** Prints an access token of the issuer that `make issuer` starts. */

import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { type ClientName, clientNames, clients, defaultPort, issuerUrl } from './issuer/clients.ts'

const isClient = (name: string): name is ClientName => Object.hasOwn(clients, name)

const requestToken = async (name: ClientName): Promise<Response> => {
  const { secret, scope } = clients[name]
  const url = `${issuerUrl(defaultPort)}/token`
  try {
    return await fetch(url, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${name}:${secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope !== '' && { scope }) }),
      signal: AbortSignal.timeout(5_000),
    })
  } catch (cause) {
    throw new OperatorError(`The issuer does not answer: run make issuer in another terminal.`, { cause })
  }
}

await run(async () => {
  const name = process.argv[2] ?? ''
  if (!isClient(name)) throw new OperatorError(`NAME must be one of ${clientNames.join(', ')}.`)
  const response = await requestToken(name)
  const text = await response.text()
  if (!response.ok) throw new OperatorError(`The issuer answered ${response.status}: ${text}`)
  process.stdout.write(`${JSON.parse(text).access_token}\n`)
})
