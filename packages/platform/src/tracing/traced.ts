import type { Step } from '../pipeline.ts'
import { inSpan, isTracing } from './api.ts'

/** Creates a span per call, named after the use case, in the request's trace. A no-op without tracing. */
export const traced: Step = (use, name) =>
  isTracing() ? (input, context) => inSpan(name, () => use(input, context)) : use
