import { type Driver, PostgresDialect, type PostgresDialectConfig, PostgresDriver } from 'kysely'

class CauseKeepingDriver extends PostgresDriver {
  /** Never rejects: Kysely would throw this error in place of the one that made the transaction fail. */
  override async rollbackTransaction(
    ...input: Parameters<PostgresDriver['rollbackTransaction']>
  ): Promise<void> {
    // After a failed rollback, the driver has marked the connection to be discarded.
    await super.rollbackTransaction(...input).catch(() => {})
  }
}

/** Transactions reject with the error that made them fail, even if the connection is lost before the rollback. */
export class CauseKeepingDialect extends PostgresDialect {
  readonly #config: PostgresDialectConfig

  constructor(config: PostgresDialectConfig) {
    super(config)
    this.#config = config
  }

  override createDriver(): Driver {
    return new CauseKeepingDriver(this.#config)
  }
}
