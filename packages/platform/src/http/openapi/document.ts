/** A JSON Schema as OpenAPI 3.1 has it. */
export type Schema = Readonly<Record<string, unknown>>

export type Media = Readonly<{
  schema?: Schema
  example?: unknown
  examples?: Readonly<Record<string, unknown>>
}>
type Content = Readonly<Record<string, Media>>

export type Parameter = Readonly<{
  name?: string
  in?: string
  example?: unknown
  schema?: Schema
  $ref?: string
}>

export type Response = Readonly<{ content?: Content; headers?: Readonly<Record<string, unknown>> }>

export type Operation = Readonly<{
  operationId?: string
  description?: string
  parameters?: readonly Parameter[]
  requestBody?: Readonly<{ content?: Content }>
  responses?: Readonly<Record<string, Response>>
  security?: readonly Readonly<Record<string, readonly string[]>>[]
}>

type PathItem = Readonly<Record<string, Operation>>

export type Document = Readonly<{
  components?: Readonly<{ schemas?: Readonly<Record<string, Schema>> } & Record<string, unknown>>
  paths?: Readonly<Record<string, PathItem>>
}>

/** Where an operation is: its path, such as `/things/{id}`, and its method in lower case. */
export type Place = Readonly<{ path: string; method: string }>

export const mapValues = <From, To>(
  record: Readonly<Record<string, From>>,
  map: (value: From, key: string) => To,
): Record<string, To> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]))

/** Returns the document with every operation replaced by the result of `change`. */
export const mapOperations = (
  document: Document,
  change: (operation: Operation, place: Place) => Operation,
): Document => ({
  ...document,
  paths: mapValues(document.paths ?? {}, (item, path) =>
    mapValues(item, (operation, method) => change(operation, { path, method })),
  ),
})

/** Returns the operation with every response replaced by the result of `change`. */
export const mapResponses = (
  operation: Operation,
  change: (response: Response, status: string) => Response,
): Operation => ({ ...operation, responses: mapValues(operation.responses ?? {}, change) })
