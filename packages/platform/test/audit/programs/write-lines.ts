/**
 * Runs commands with an audit log, and a log of level `fatal`. Arguments: how many commands, the folder of the audit file or
 * `console`, the format of the log, and `hang` to end the process while one more command runs.
 */
import { openAudit } from '../../../src/audit/open-audit.ts'
import { createLogger } from '../../../src/logging/logger.ts'
import { createMetrics } from '../../../src/metrics/metrics.ts'
import { contextOf, machine, serviceWith, targets } from '../../support/audit.ts'

const [count, place = '', format, ending] = process.argv.slice(2)
const logger = await createLogger(
  { service: 'shop' },
  {
    level: 'fatal',
    format: format === 'text' ? 'text' : 'json',
    output: 'console',
    folder: '',
    file: '',
    secrets: ['name'],
  },
)
const metrics = createMetrics('shop', '1')
const file = place === 'console' ? undefined : { folder: place, name: 'shop.audit.log' }
const audit = openAudit({ key: undefined, file }, { logger, metrics, service: 'shop', targets })
const use = serviceWith(audit)
logger.info('not to be seen')
for (let id = 1; id <= Number(count); id++) {
  await use.change({ id }, contextOf(machine, `r${id}`))
  if (id % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
}
if (ending === 'hang') void use.change({ id: 0, hangs: true }, contextOf(machine, 'hung'))
await new Promise((resolve) => setImmediate(resolve))
const { values } = (await metrics.registry.getSingleMetric('audit_lines_lost_total')?.get()) ?? { values: [] }
process.stderr.write(`lost ${values[0]?.value}\n`)
process.exit(0)
