import { CompiledQuery, type Kysely } from 'kysely'

/** Runs a statement whose text is a constant. To build one takes 15 µs, longer than to send many. */
export const runText = async <Row>(
  database: Pick<Kysely<unknown>, 'executeQuery'>,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> => (await database.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows

/**
 * SQL for an array parameter whose length the planner does not see. Otherwise a prepared statement may be planned anew each
 * time, because a short array looks cheaper than one of unknown length: a read by ids took 56 µs of the server instead of 19.
 */
export const arrayParameter = (position: number, type: string): string =>
  `(select $${position}::${type}[])::${type}[]`
