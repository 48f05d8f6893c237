/**
 * The script of the process that `sqlite-basket-repository.test.ts` starts with a limit for the size of files.
 * It adds baskets until a write fails, and prints how.
 */
import { AppError } from '@shop/kernel/errors.ts'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'
import { mapSqliteErrors } from '@shop/platform/embedded/sqlite-errors.ts'
import { sqliteBasketRepository } from '../../src/infrastructure/sqlite-basket-repository.ts'
import { aBasket } from '../support/baskets.ts'

using sqlite = openSqlite(process.argv[2] ?? '')
const messages = { busy: 'busy', unusable: 'unusable' }
const baskets = mapSqliteErrors(sqliteBasketRepository(sqlite, 60), messages)
const add = (userId: string) =>
  baskets
    .update(userId, () => aBasket(userId))
    .then(
      () => undefined,
      (error: unknown) => error,
    )
let refused: unknown
for (let n = 0; n < 10_000 && refused === undefined; n++) refused = await add(`user${n}`)
const found = await baskets.find('user0')
const { kind, message, cause } =
  refused instanceof AppError ? refused : { kind: '', message: '', cause: refused }
process.stdout.write(`${kind} ${message} ${String(cause)}; reads ${found?.userId}\n`)
