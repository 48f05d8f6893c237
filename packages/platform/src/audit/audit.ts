import type { Target } from '@shop/kernel/audit.ts'
import type { Entry } from './lines.ts'

/** The audit log of a service. */
export type Audit = Disposable &
  Readonly<{
    /** Whether it is known what the use case is about. */
    has: (useCase: string) => boolean
    targetOf: (useCase: string, input: unknown, output: unknown) => Target | undefined
    /** Writes a line, or counts it if its caller has had too many about nothing. */
    write: (entry: Entry) => void
    /** What to call for the commands that have not ended when the process does. */
    unfinished: Set<() => void>
  }>
