/**
 * The script of the process that `sqlite-basket-repository.test.ts` starts with a limit for the size of files.
 * It adds baskets until a write fails. It prints how, whether reads succeed, and the health before and after.
 */
import { AppError } from '@shop/kernel/errors.ts'
import { createHealth } from '@shop/platform/health/health.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { aBasket } from '../support/baskets.ts'

const config = readConfig({ STORAGE: 'embedded', DATA_DIR: process.argv[2] })
await using adapters = await openAdapters({ config, logger: silentLogger })
const { baskets } = adapters.ports
const dependencies = adapters.dependencies.filter(({ name }) => name !== 'product-service')
const health = createHealth('basket-service', '0', dependencies)
const describeHealth = async () => {
  const { status, checks } = await health.report()
  return `${status} ${checks['sqlite-writes']?.reason ?? ''}`
}
const add = (userId: string) =>
  baskets
    .update(userId, () => aBasket(userId))
    .then(
      () => undefined,
      (error: unknown) => error,
    )
process.stdout.write(`${await describeHealth()}\n`)
let refused: unknown
for (let n = 0; n < 10_000 && refused === undefined; n++) refused = await add(`user${n}`)
const found = await baskets.find('user0')
const { kind, message, cause } =
  refused instanceof AppError ? refused : { kind: '', message: '', cause: refused }
process.stdout.write(`${kind} ${message} ${String(cause)}; reads ${found?.userId}\n`)
process.stdout.write(`${await describeHealth()}\n`)
