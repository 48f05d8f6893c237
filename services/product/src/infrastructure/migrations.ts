import { join } from 'node:path'
import { migrationsIn } from '@shop/postgres/migrations.ts'

/** The migrations of the product database. */
export const migrations = migrationsIn(join(import.meta.dirname, '../../migrations'))
