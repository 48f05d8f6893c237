import type { Step } from '../pipeline.ts'
import { inSpan, isTracing } from './api.ts'

/** Gives each call of a use case a span with its name, in its request's trace. Does nothing without tracing. */
export const traced: Step = (use, name) =>
  isTracing() ? (input, context) => inSpan(name, () => use(input, context)) : use
