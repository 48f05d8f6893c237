import type { Step } from '../pipeline.ts'
import { inSpan, isTracing } from './api.ts'

/** Gives each call of a use case a span under its name, in the trace of its request. Does nothing where nothing is traced. */
export const traced: Step = (use, name) =>
  isTracing() ? (input, context) => inSpan(name, () => use(input, context)) : use
