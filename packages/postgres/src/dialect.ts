import {
  type DialectAdapter,
  type Driver,
  PostgresAdapter,
  PostgresDialect,
  type PostgresDialectConfig,
  PostgresDriver,
} from 'kysely'

/** Kysely's lock belongs to a session, so it would stay with PgBouncer's connection to the server. `inTurn` has its own. */
class AdapterWithoutMigrationLock extends PostgresAdapter {
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}
}

class CauseKeepingDriver extends PostgresDriver {
  /** Never rejects: Kysely would throw this error in place of the one that made the transaction fail. */
  override async rollbackTransaction(
    ...input: Parameters<PostgresDriver['rollbackTransaction']>
  ): Promise<void> {
    // After a failed rollback, the driver has marked the connection to be discarded.
    await super.rollbackTransaction(...input).catch(() => {})
  }
}

/** For migrations under `inTurn`. Transactions reject with the error that made them fail, even if the connection is lost before the rollback. */
export class CauseKeepingDialect extends PostgresDialect {
  readonly #config: PostgresDialectConfig

  constructor(config: PostgresDialectConfig) {
    super(config)
    this.#config = config
  }

  override createAdapter(): DialectAdapter {
    return new AdapterWithoutMigrationLock()
  }

  override createDriver(): Driver {
    return new CauseKeepingDriver(this.#config)
  }
}
