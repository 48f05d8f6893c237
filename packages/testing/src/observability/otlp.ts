import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { loadSync } from '@grpc/proto-loader'

type Attribute = Readonly<{ key: string; value: Readonly<Record<string, unknown>> & { value: string } }>
type Id = Readonly<{ trace_id: Buffer; span_id: Buffer }>
type ProtoSpan = Id &
  Readonly<{
    parent_span_id: Buffer
    name: string
    kind: string
    attributes: readonly Attribute[]
    links: readonly Id[]
    status: { code: string } | null
  }>
type Export = Readonly<{
  resource_spans: readonly Readonly<{
    resource: { attributes: readonly Attribute[] }
    scope_spans: readonly { spans: readonly ProtoSpan[] }[]
  }>[]
}>
type Values = Readonly<Record<string, unknown>>

/** A span as a collector receives it. `resource` contains the attributes of the process. */
export type Span = Readonly<{
  resource: Values
  traceId: string
  id: string
  parentId: string
  name: string
  kind: string
  attributes: Values
  /** The ids of the linked spans. */
  links: readonly string[]
  failed: boolean
}>

const { Export: exportMethod } = loadSync(join(import.meta.dirname, 'otlp.proto'), {
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
})['opentelemetry.proto.collector.trace.v1.TraceService'] as unknown as {
  Export: { requestDeserialize: (bytes: Buffer) => Export }
}

const valuesOf = (attributes: readonly Attribute[]): Values =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value[value.value]]))

const spanOf = (resource: Values, span: ProtoSpan): Span => ({
  resource,
  traceId: span.trace_id.toString('hex'),
  id: span.span_id.toString('hex'),
  parentId: span.parent_span_id.toString('hex'),
  name: span.name,
  kind: span.kind.toLowerCase(),
  attributes: valuesOf(span.attributes),
  links: span.links.map(({ span_id }) => span_id.toString('hex')),
  failed: span.status?.code === 'ERROR',
})

const spansIn = (body: Buffer): Span[] =>
  exportMethod
    .requestDeserialize(body)
    .resource_spans.flatMap(({ resource, scope_spans }) =>
      scope_spans.flatMap(({ spans }) => spans.map((span) => spanOf(valuesOf(resource.attributes), span))),
    )

/**
 * Starts a trace collector on loopback that receives OTLP over HTTP, in protobuf. `reply.status` sets the
 * status of its responses; with `never` it does not respond.
 */
export const startCollector = async () => {
  const spans: Span[] = []
  const bodies: Buffer[] = []
  let requests = 0
  const reply: { status: number | 'never' } = { status: 200 }
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      requests += 1
      const { url, headers } = request
      if (url !== '/v1/traces' || headers['content-type'] !== 'application/x-protobuf')
        return response.writeHead(404).end()
      if (reply.status === 'never') return response
      if (reply.status === 200) {
        spans.push(...spansIn(body))
        bodies.push(body)
      }
      return response.writeHead(reply.status).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    reply,
    requests: () => requests,
    spans,
    /** Returns all bytes received with status 200, as a string to search in. */
    receivedText: () => Buffer.concat(bodies).toString('latin1'),
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Formats a span's descendants as an indented tree: service, kind and name of each, in the order received. */
export const treeOf = (spans: readonly Span[], parentId: string, indent = ''): string =>
  spans
    .filter((span) => span.parentId === parentId)
    .map((span) => {
      const line = `${indent}${String(span.resource['service.name'])} ${span.kind} ${span.name}\n`
      return line + treeOf(spans, span.id, `${indent}  `)
    })
    .join('')
