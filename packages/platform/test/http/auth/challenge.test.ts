import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { forbidden, unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import { startServer } from '../../support/http-server.ts'

const identity = {
  issuer: 'https://id.example',
  audience: 'shop',
  identify: (authorization: string | undefined) => {
    if (authorization !== undefined) throw unauthenticated('the credentials are not valid')
    return anonymous
  },
}

const routes = async (app: { get: (path: string, handler: () => never) => unknown }) => {
  app.get('/closed', () => {
    throw unauthenticated('this needs credentials')
  })
  app.get('/write', () => {
    throw forbidden('this needs the scope things:write', 'things:write')
  })
  app.get('/never', () => {
    throw forbidden('this is switched off')
  })
}

describe('the challenge in WWW-Authenticate', async () => {
  const server = await startServer({ identity, routes, config: { trustProxy: 'loopback' } })
  const alone = await startServer({ identity: { identify: identity.identify }, routes })
  after(() => Promise.all([server, alone].map((one) => one[Symbol.asyncDispose]())))
  const challenge = async (url: string, headers: Record<string, string> = {}, { app } = server) =>
    (await app.inject({ url, headers: { host: 'api.shop.example', ...headers } })).headers['www-authenticate']
  const metadata = 'resource_metadata="http://api.shop.example/.well-known/oauth-protected-resource"'

  it('has no error if credentials are merely missing', async () => {
    assert.equal(await challenge('/closed'), `Bearer realm="Test service", ${metadata}`)
  })

  it('says that credentials are not valid, whatever they are sent for', async () => {
    for (const url of ['/closed', '/write', '/never'])
      assert.equal(
        await challenge(url, { authorization: 'Bearer nonsense' }),
        `Bearer realm="Test service", error="invalid_token", ${metadata}`,
      )
  })

  it('names the scope that would allow the request, and none where none would', async () => {
    assert.equal(
      await challenge('/write'),
      `Bearer realm="Test service", error="insufficient_scope", scope="things:write", ${metadata}`,
    )
    assert.equal(await challenge('/never'), undefined)
    assert.equal(await challenge('/nowhere'), undefined)
  })

  it('names no metadata if the service accepts no tokens, or the client has named no host', async () => {
    assert.equal(await challenge('/closed', {}, alone), 'Bearer realm="Test service"')
  })

  it('has the scheme that a trusted proxy says, and no other', async () => {
    const forwarded = (value: string) => challenge('/closed', { 'x-forwarded-proto': value })
    assert.match(String(await forwarded('https')), /"https:\/\/api\.shop\.example\//)
    assert.match(String(await forwarded('javascript')), /"http:\/\/api\.shop\.example\//)
    await using distant = await startServer({ identity, routes })
    const headers = { 'x-forwarded-proto': 'https' }
    assert.match(String(await challenge('/closed', headers, distant)), /"http:\/\/api\.shop\.example\//)
  })

  it('reaches scripts of other origins, which may send credentials', async () => {
    const preflight = await server.app.inject({
      method: 'OPTIONS',
      url: '/closed',
      headers: {
        origin: 'https://shop.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization',
      },
    })
    assert.match(String(preflight.headers['access-control-allow-headers']), /authorization/i)
    const { headers } = await server.app.inject({
      url: '/closed',
      headers: { origin: 'https://shop.example' },
    })
    assert.match(String(headers['access-control-expose-headers']), /WWW-Authenticate/)
  })
})
