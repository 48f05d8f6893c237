import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { openConnection } from '@shop/testing/services/kept-connection.ts'
import { startService } from '@shop/testing/services/services.ts'
import { type Attacker, sized } from '../support/form.ts'
import type { Row } from '../support/row.ts'
import { portOf } from '../support/shop.ts'
import { holdOpen } from '../support/sockets.ts'

const limit = 200
const count = sized(400, 4_000)

/** An own service, because it reads the limit when it starts. */
const attack = async (from: Attacker): Promise<string> => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'descriptors-'))
  await using basket = await startService(
    'basket',
    // The watcher of the event loop reads a file of /proc.
    {
      DATA_DIR: folder.path,
      PRODUCT_SERVICE_URL: '127.0.0.1:1',
      TRUST_PROXY: 'off',
      MAX_EVENT_LOOP_DELAY_MS: '60000',
    },
    { openFiles: limit },
  )
  using customer = openConnection()
  const create = async (round: number) =>
    (await customer.send('POST', `${basket.url}/baskets`, { user_id: `ann-${round}` })).status
  assert.equal(await create(0), 201)
  {
    const port = portOf(basket)
    // From many addresses, so that no share of one client stops it.
    using _ = await holdOpen(
      count,
      (index) => ({ port, from: from(index % 40) }),
      () => '',
    )
    for (let round = 1; round <= 20; round++) {
      assert.equal(await create(round), 201, 'a client that is connected is served')
      await delay(sized(20, 500))
    }
    assert.equal(basket.process.exitCode, null, basket.output())
  }
  await eventually(20_000, async () =>
    assert.equal(
      (await request('GET', `${basket.url}/health/live`)).status,
      200,
      'newcomers are served again',
    ),
  )
  assert.match(basket.output(), /connections/, 'the service says so')
  return ''
}

export const fewDescriptors: Row = {
  name: '9 · more connections than file descriptors',
  attacks: [
    {
      name: `9 · ${count} connections to a service with ${limit} file descriptors`,
      run: (_shop, from) => attack(from),
    },
  ],
}
