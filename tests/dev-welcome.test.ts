import assert from 'node:assert/strict'
import { test } from 'node:test'
import { welcomeMessage } from '../scripts/dev/welcome.ts'

const addresses = { product: 'http://product', grpc: 'grpc', basket: 'http://basket' }

const commands = (env: NodeJS.ProcessEnv): readonly string[] =>
  welcomeMessage(addresses, env)
    .split('\n')
    .flatMap((line) => (line.startsWith('  curl ') ? [line.trim()] : []))

test('make dev prints requests that need credentials only if the shop asks for none', () => {
  for (const env of [{}, { AUTH: '' }, { AUTH: 'off' }]) assert.equal(commands(env).length, 4)
  const withGuests = [
    'curl http://product/products/top-5',
    `curl -X POST http://basket/baskets -H 'Content-Type: application/json' -d '{"guest": true}'`,
  ]
  for (const AUTH of ['keys', 'jwt']) {
    assert.deepEqual(commands({ AUTH }), withGuests)
    assert.deepEqual(commands({ AUTH, GUESTS: 'off' }), withGuests.slice(0, 1))
  }
  assert.match(welcomeMessage(addresses, { AUTH: 'keys' }), /need credentials: docs\/identity\.md/)
})
