import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPublicKey, verify } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { root } from '@shop/testing/files.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { clientNames, clients } from '../scripts/issuer/clients.ts'
import { startIssuer } from '../scripts/issuer/server.ts'

const decoded = (part = ''): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString())

const read = async (url: string): Promise<Record<string, unknown>> =>
  (await (await fetch(url)).json()) as Record<string, unknown>

const tokenIn = async (response: Response): Promise<string> => {
  const answer = (await response.json()) as Readonly<{ access_token?: string }>
  assert.ok(answer.access_token !== undefined, JSON.stringify(answer))
  return answer.access_token
}

describe('the issuer for trying', async () => {
  const issuer = await startIssuer(await freePort())
  after(() => issuer[Symbol.asyncDispose]())

  const requestToken = (name: string, secret: string, scope: string) =>
    fetch(`${issuer.url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${name}:${secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope !== '' && { scope }) }),
    })

  for (const name of clientNames)
    it(`gives ${name} an access token of RFC 9068 with its scopes, signed with the key that it publishes`, async () => {
      const { secret, scope } = clients[name]
      const token = await tokenIn(await requestToken(name, secret, scope))
      const [head, body, signature = ''] = token.split('.')
      const { typ, alg, kid } = decoded(head)
      assert.deepEqual([typ, alg], ['at+jwt', 'RS256'])
      const { iss, aud, sub, scope: granted = '', exp, iat } = decoded(body)
      assert.deepEqual([iss, aud, sub, granted], [issuer.url, 'shop', name, scope])
      assert.equal(Number(exp) - Number(iat), 3_600)

      const metadata = await read(`${issuer.url}/.well-known/openid-configuration`)
      assert.equal(metadata['issuer'], issuer.url)
      const { keys } = await read(String(metadata['jwks_uri']))
      assert.ok(Array.isArray(keys) && keys.length === 1)
      const [key] = keys
      assert.deepEqual([key.kid, key.d], [kid, undefined])
      const publicKey = createPublicKey({ key, format: 'jwk' })
      const signed = verify(
        'sha256',
        Buffer.from(`${head}.${body}`),
        publicKey,
        Buffer.from(signature, 'base64url'),
      )
      assert.ok(signed)
    })

  it('refuses a wrong secret, and grants no scope that the client does not have', async () => {
    assert.equal((await requestToken('ann', 'wrong', '')).status, 401)
    const token = await tokenIn(await requestToken('ann', 'ann-secret', 'products:write'))
    assert.equal(decoded(token.split('.')[1])['scope'], undefined)
    assert.equal((await requestToken('editor', 'editor-secret', 'baskets:any')).status, 400)
  })

  it('answers only to local names', async () => {
    const sent = request(`${issuer.url}/jwks`, { headers: { host: 'shop.example' } }).end()
    const [response] = await once(sent, 'response')
    assert.equal(response.statusCode, 403)
    response.resume()
  })
})

it('the issuer for trying does not start in production', () => {
  for (const name of ['NODE_ENV', 'ENVIRONMENT']) {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/issuer.ts')], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], [name]: 'production' },
    })
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`^The issuer is for trying, and ${name} is production`))
  }
})
