import { hash, randomBytes } from 'node:crypto'

/** Makes an API key, and its line for the file of API keys. */
export const newApiKey = (name: string, ...scopes: readonly string[]) => {
  const key = `shop_${randomBytes(32).toString('base64url')}`
  return { key, authorization: `Bearer ${key}`, line: `${name} ${hash('sha256', key)} ${scopes.join(' ')}\n` }
}
