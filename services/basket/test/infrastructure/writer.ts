/**
 * The script of the process that `sqlite-basket-repository.test.ts` starts. It holds the write lock of the file
 * for 200 ms.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'

using sqlite = openSqlite(process.argv[2] ?? '')
sqlite.exec('begin immediate')
process.send?.('writing')
await delay(200)
process.disconnect?.()
