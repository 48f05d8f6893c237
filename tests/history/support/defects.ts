/** A text in a source file of the service, and what stands there instead. */
type Replacement = Readonly<{ file: string; text: string; by: string }>

/** Returns a program that gives the service a defect as it loads the file. The service does not start without the text. */
const defect = (replacement: Replacement): string => `
import { registerHooks } from 'node:module'
const { file, text, by } = ${JSON.stringify(replacement)}
registerHooks({
  load: (url, context, next) => {
    const loaded = next(url, context)
    if (!url.endsWith(file)) return loaded
    const source = String(loaded.source)
    if (!source.includes(text)) throw new Error(file + ' does not contain ' + text)
    return { ...loaded, source: source.replace(text, () => by) }
  },
})`

const update = 'ports.baskets.update(userId, change)'

/** Programs that a service loads first. Each gives it a defect that the checker must find. */
export const defects = {
  /** A write stores its basket whatever another process has written meanwhile. */
  plainSet: defect({
    file: '/packages/redis/src/scripts/compare-and-set.ts',
    text: `'compare-and-set.lua'), 'utf8')`,
    by: `'compare-and-set.lua'), 'utf8').replace("(current or '') ~= ARGV[1]", 'false')`,
  }),
  /** Clearing a basket forgets which writes it has seen. */
  forgottenKeys: defect({
    file: '/services/basket/src/domain/basket.ts',
    text: '({ ...basket, lines: [] })',
    by: '({ ...basket, lines: [], recent: [] })',
  }),
  /** A write without an idempotency key whose outcome is unknown is made again, and may take effect twice. */
  repeatedWrites: defect({
    file: '/services/basket/src/application/update-once.ts',
    text: `    ? ${update}\n    : updateUnlessWritten`,
    by: `    ? ${update}.catch(async (error) => {
        if (error.kind !== 'unavailable') throw error
        await new Promise((resolve) => setTimeout(resolve, 500))
        return ${update}
      })\n    : updateUnlessWritten`,
  }),
}
