/** What makes the spans. */
export type Origin = Readonly<{ service: string; version: string }>

/** How traces are sampled, and where they are sent. */
export type TracingConfig = Readonly<{
  /** The base URL of a collector that takes OTLP over HTTP. */
  endpoint: string
  timeoutMs: number
  /** `deployment.environment.name`. */
  environment: string
  /** In the place of the service's own name. */
  serviceName?: string | undefined
  /** By the names of OpenTelemetry: `parentbased_traceidratio`, … */
  sampler: string
  /** From 0 to 1, for the samplers that take one. */
  samplerRatio: number
}>

/** What tracing has to say for itself. */
export type TracingLog = Readonly<{
  info: (message: string) => void
  warn: (fields: object, message: string) => void
}>
