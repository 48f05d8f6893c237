import { Type } from 'typebox'
import { secret } from '../config/variables.ts'

/** The variables of OpenTelemetry that every service reads: a part of those in its specification. */
export const tracingVariables = {
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
    Type.String({ pattern: '^https?://[^/]+', description: 'a URL such as http://localhost:4318' }),
  ),
  OTEL_EXPORTER_OTLP_PROTOCOL: Type.Enum(['http/protobuf'], { default: 'http/protobuf' }),
  OTEL_EXPORTER_OTLP_TIMEOUT: Type.Integer({ minimum: 1, maximum: 60_000, default: 3_000 }),
  OTEL_EXPORTER_OTLP_HEADERS: Type.Optional(Type.String(secret)),
  OTEL_SERVICE_NAME: Type.Optional(Type.String()),
  OTEL_TRACES_SAMPLER: Type.Enum(
    [
      'always_on',
      'always_off',
      'traceidratio',
      'parentbased_always_on',
      'parentbased_always_off',
      'parentbased_traceidratio',
    ],
    { default: 'parentbased_always_on' },
  ),
  OTEL_TRACES_SAMPLER_ARG: Type.String({
    pattern: '^(0|0?\\.[0-9]+|1|1\\.0+)$',
    description: 'a number from 0 to 1',
    default: '1',
  }),
}
