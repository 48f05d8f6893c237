import type { Outcome } from '@shop/platform/limits/batches/batches.ts'
import { hasSqlState, isRefusedWrite } from '@shop/postgres/errors.ts'
import type { SharingPause } from './sharing-pause.ts'

const deadlock = '40P01'

/**
 * Writes the items by one statement. If the server refuses it, because of one of them, writes each half, so that the others
 * are written: one bad item among 64 takes 13 statements. Resolves with what `write` returns for each item, undefined for
 * one that is refused alone, or with the error of its statement. A deadlock stores nothing: it resolves with undefined for all
 * items, and begins a pause if there are several.
 */
export const writeOrHalve = async <Item, Result>(
  items: readonly Item[],
  write: (items: readonly Item[]) => Promise<(Result | undefined)[]>,
  pause: SharingPause,
): Promise<Outcome<Result | undefined>[]> => {
  if (items.length === 0) return []
  try {
    return (await write(items)).map((value) => ({ value }))
  } catch (error) {
    if (hasSqlState(error, deadlock)) {
      if (items.length > 1) pause.begin()
      return items.map(() => ({ value: undefined }))
    }
    if (!isRefusedWrite(error)) return items.map(() => ({ error }))
    if (items.length === 1) return [{ value: undefined }]
    const middle = Math.floor(items.length / 2)
    return [
      ...(await writeOrHalve(items.slice(0, middle), write, pause)),
      ...(await writeOrHalve(items.slice(middle), write, pause)),
    ]
  }
}
