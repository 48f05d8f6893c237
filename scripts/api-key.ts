/** Makes an API key: prints it once, and the line for the file that API_KEYS_FILE names. */

import { hash, randomBytes } from 'node:crypto'
import { keyPrefix } from '@shop/platform/auth/credentials.ts'
import { keyName } from '@shop/platform/auth/key-file.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'

/** What each scope permits. */
const scopes: Readonly<Record<string, string>> = {
  'products:write': 'create, change and delete products',
  'baskets:any': 'everything on every basket',
  'stock:hold': 'holds of stock',
  unlimited: 'no rate limit: for services and front ends that call for many people',
}

const known = Object.entries(scopes)
  .map(([scope, permits]) => `  ${scope.padEnd(16)}${permits}`)
  .join('\n')

const example = 'make api-key NAME=back-office SCOPES="products:write baskets:any"'

const nameIn = (text: string): string => {
  if (text === '') throw new OperatorError(`Set NAME to a name for the key, as in:\n\n  ${example}`)
  if (!keyName.pattern.test(text)) throw new OperatorError(`NAME must be ${keyName.rule}.`)
  return text
}

const scopesIn = (text: string): readonly string[] => {
  const wanted = text.split(/[\s,]+/).filter((scope) => scope !== '')
  const unknown = wanted.filter((scope) => !Object.hasOwn(scopes, scope))
  if (unknown.length > 0)
    throw new OperatorError(`SCOPES must not have ${unknown.join(', ')}. The scopes are:\n\n${known}`)
  if (wanted.length === 0)
    throw new OperatorError(
      `Set SCOPES to what the key permits, as in:\n\n  ${example}\n\nThe scopes are:\n\n${known}`,
    )
  return [...new Set(wanted)]
}

await run(async () => {
  const name = nameIn(process.env['NAME'] ?? '')
  const permitted = scopesIn(process.env['SCOPES'] ?? '')
  const key = `${keyPrefix}${randomBytes(32).toString('base64url')}`
  process.stdout.write(`The key of ${name}. It is not shown again, and nothing else keeps it:

  ${key}

Its line for the file that API_KEYS_FILE names. The services read that file again when it changes:

  ${name} ${hash('sha256', key)} ${permitted.join(' ')}

Clients send it as Authorization: Bearer KEY.
`)
})
