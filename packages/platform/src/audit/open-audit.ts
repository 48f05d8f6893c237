import type { TargetOf } from '@shop/kernel/audit.ts'
import type { Context } from '@shop/kernel/context.ts'
import { expectedFailure } from '../failure.ts'
import { batchedOutput } from '../logging/batched-output.ts'
import type { Logger } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Audit } from './audit.ts'
import type { AuditConfig } from './config.ts'
import { type Destination, openConsole, openFile, type Trouble } from './destinations.ts'
import { createLines, type Entry, type Lines } from './lines.ts'
import { auditMetrics } from './metrics.ts'
import { createPseudonyms } from './pseudonyms.ts'
import { refusalSamples } from './refusal-samples.ts'
import { createTrouble } from './trouble.ts'

type Options = Readonly<{
  logger: Logger
  metrics: Pick<Metrics, 'registry'>
  service: string
  /** The thing of each use case (see `Targets`). */
  targets: Readonly<Record<string, TargetOf<never, never>>>
}>

/** Like the log: a file that cannot be opened must not stop the service, and the console takes its lines. */
const openDestination = ({ file }: AuditConfig, trouble: Trouble, logger: Logger): Destination => {
  if (file === undefined) return openConsole(trouble)
  try {
    return openFile(file.folder, file.name, trouble)
  } catch (error) {
    logger.error(
      expectedFailure(error),
      'the audit file cannot be opened; audit lines go to the console instead',
    )
    return openConsole(trouble)
  }
}

/** The text that tells callers apart. Callers without credentials are one. */
const callerOf = ({ principal }: Context): string => {
  if (principal.kind === 'user') return `user ${principal.subject}`
  return principal.kind === 'machine' ? `machine ${principal.name}` : principal.kind
}

/** Whether the line says that nothing has happened, and anybody can cause as many of them as he likes. */
const isSampled = ({ outcome, context }: Entry): boolean =>
  outcome === 'refused' ||
  (context.principal.kind === 'anonymous' && (outcome === 'failed' || outcome === 'unchanged'))

/** Where lines go, and what becomes of those that cannot be written. `close` writes what is left. */
const openOutput = (config: AuditConfig, lines: Lines, { logger, metrics }: Options) => {
  const count = auditMetrics(metrics, () => destination.waiting())
  const onLoss = (lost: number): void => destination.write(lines.ofLost(lost))
  const trouble = createTrouble({ logger, count, onLoss })
  const destination = openDestination(config, trouble, logger)
  const output = batchedOutput(destination)
  return {
    write: (line: string): void => output.write(line),
    close: (): void => {
      output.flush()
      destination.close()
      trouble.close()
    },
  }
}

const open = (config: AuditConfig, options: Options): Audit => {
  const { service, targets } = options
  const pseudonym = config.key === undefined ? () => undefined : createPseudonyms(config.key)
  const lines = createLines(service, pseudonym)
  const output = openOutput(config, lines, options)
  const samples = refusalSamples({
    report: ({ useCase, outcome, count }) => output.write(lines.ofLeftOut(useCase, outcome, count)),
  })
  const unfinished = new Set<() => void>()
  let isClosed = false

  const close = (): void => {
    if (isClosed) return
    process.off('exit', close)
    for (const report of unfinished) report()
    samples.close()
    isClosed = true
    output.close()
  }
  process.on('exit', close)

  return {
    has: (useCase) => useCase in targets,
    // `Targets` has checked that the entry takes the input and output of this use case.
    targetOf: (useCase, input, result) => targets[useCase]?.(input as never, result as never),
    write: (entry) => {
      // The number of the file may be that of another one now. Commands that end now were reported as unfinished.
      if (isClosed) return
      if (isSampled(entry) && !samples.admits(callerOf(entry.context), entry.useCase, entry.outcome)) return
      output.write(lines.ofEntry(entry))
    },
    unfinished,
    [Symbol.dispose]: close,
  }
}

/**
 * Opens the audit log; undefined if there is none. Disposing of it writes what is left, and so does the end of the process, unless
 * it is killed.
 */
export const openAudit = <Config extends AuditConfig | undefined>(
  config: Config,
  options: Options,
): Audit | Extract<Config, undefined> =>
  // The cast is safe: `config` is undefined here.
  config === undefined ? (undefined as Extract<Config, undefined>) : open(config, options)
