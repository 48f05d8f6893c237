import assert from 'node:assert/strict'
import { it } from 'node:test'
import { anybody, type Rule, scope, unauthenticated } from '@shop/kernel/policy.ts'
import { guardedBy } from '../../../src/http/openapi/access.ts'
import { startServer } from '../../support/http-server.ts'

const path = '/.well-known/oauth-protected-resource'

const identify = () => {
  throw unauthenticated('the credentials are not valid')
}

const entry = (rule: Rule<unknown>) => ({
  description: 'Does it.',
  guard: guardedBy(rule, undefined),
  problems: [],
})
const owner: Rule<unknown> = { access: { ownerOr: 'things:any' }, refusal: () => undefined }
const documentation = {
  operations: {
    put: entry(scope('things:write')),
    get: entry(anybody),
    take: entry(owner),
    post: entry(scope('things:write')),
  },
}

const readMetadata = async (audience: string, { docs = true, headers = {} } = {}) => {
  const identity = { issuer: 'https://id.example', audience, identify }
  await using server = await startServer({ identity, documentation, config: { docs } })
  const response = await server.app.inject({ url: path, headers: { host: 'localhost:8080', ...headers } })
  assert.equal(response.statusCode, 200)
  return response.json()
}

it('the metadata of the resource server says who issues tokens, and which scopes there are', async () => {
  assert.deepEqual(await readMetadata('shop'), {
    resource: 'http://localhost:8080',
    authorization_servers: ['https://id.example'],
    scopes_supported: ['things:any', 'things:write'],
    bearer_methods_supported: ['header'],
    resource_name: 'Test service',
    resource_documentation: 'http://localhost:8080/docs',
  })
})

it('the resource is the audience of the tokens if that is a URL', async () => {
  const { resource } = await readMetadata('https://shop.example/api')
  assert.equal(resource, 'https://shop.example/api')
  assert.equal((await readMetadata('https:')).resource, 'http://localhost:8080')
})

it('the metadata names no documentation if there is none', async () => {
  assert.equal('resource_documentation' in (await readMetadata('shop', { docs: false })), false)
})

it('the metadata is open to everybody, also with credentials that are not valid', async () => {
  await readMetadata('shop', { headers: { authorization: 'Bearer nonsense' } })
})

it('there is no metadata if the service accepts no tokens', async () => {
  for (const identity of [undefined, { identify: () => ({ kind: 'anonymous' as const }) }]) {
    await using server = await startServer({ identity, documentation })
    assert.equal((await server.app.inject(path)).statusCode, 404)
  }
})
