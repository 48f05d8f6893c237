/** The service that creates the spans. */
export type TracedService = Readonly<{ service: string; version: string }>

/** How traces are sampled, and where they are sent. */
export type TracingConfig = Readonly<{
  /** The base URL of a collector that accepts OTLP over HTTP. */
  endpoint: string
  timeoutMs: number
  /** Headers of every export, as `name=value,name=value`. */
  headers?: string | undefined
  /** `deployment.environment.name`. */
  environment: string
  /** Replaces the service's own name. */
  serviceName?: string | undefined
  /** A sampler by its OpenTelemetry name, such as `parentbased_traceidratio`. */
  sampler: string
  /** From 0 to 1, for the samplers that take a ratio. */
  samplerRatio: number
}>

/** The log that tracing itself writes to. */
export type TracingLog = Readonly<{
  info: (message: string) => void
  warn: (fields: object, message: string) => void
}>
