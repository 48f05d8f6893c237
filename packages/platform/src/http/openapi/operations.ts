import { AppError } from '@shop/kernel/errors.ts'
import { type Problem, problemMediaType, problemOf, problemOfStatus } from '../problem.ts'
import { type Guard, refusalsOf, responsesOf, securityOf, sentenceOf } from './access.ts'
import { type Document, mapOperations, mapResponses, type Operation, type Parameter } from './document.ts'

/** An error of an operation, and the path of its request if that is not the path with the example parameters. */
type ProblemExample = AppError | Readonly<{ error: AppError; instance: string }>

/** What the document says about an operation, besides the schemas of its route. */
type OperationDocumentation = Readonly<{
  description: string
  /** Who may call it. */
  guard: Guard
  /** Its errors, at most one with the same code, without those of the HTTP server itself and of its guard. */
  problems: readonly ProblemExample[]
}>

/** By operation id. */
export type OperationsDocumentation = Readonly<Record<string, OperationDocumentation>>

const requestId = 'b0c2a7c4-6f0e-4d1d-9a0b-2a9f3c1d5e77'

/** The path of a request with the example values of its parameters. */
const pathOf = (template: string, parameters: readonly Parameter[] = []): string =>
  template.replaceAll(/\{(.+?)\}/g, (_, name: string) => {
    const { example } =
      parameters.find((parameter) => parameter.in === 'path' && parameter.name === name) ?? {}
    return example === undefined ? `{${name}}` : encodeURIComponent(`${example as string | number}`)
  })

/** The statuses of the HTTP server itself. Their problems differ between operations only in the path. */
const serverStatuses = new Set([413, 415, 429, 500, 503])

type ExampleRequest = Parameters<typeof problemOfStatus>[1]

/** The problems of an operation that has the statuses: its own, and those of the HTTP server. */
const problemsOf = (
  statuses: readonly string[],
  request: ExampleRequest,
  own: readonly ProblemExample[],
): Problem[] => {
  const problems = own.map((example) =>
    example instanceof AppError
      ? problemOf(example, request)
      : problemOf(example.error, { ...request, instance: example.instance }),
  )
  const added = statuses
    .map(Number)
    .filter((status) => serverStatuses.has(status) && problems.every((problem) => problem.status !== status))
    .map((status) => (status === 500 ? problemOf(undefined, request) : problemOfStatus(status, request)))
  return [...problems, ...added]
}

const withExamples = (
  operation: Operation,
  { instance, maxBodyBytes }: Readonly<{ instance: string; maxBodyBytes: number }>,
  own: readonly ProblemExample[],
): Operation => {
  const isProblem = (status: string) =>
    operation.responses?.[status]?.content?.[problemMediaType] !== undefined
  const statuses = Object.keys(operation.responses ?? {}).filter(isProblem)
  if (statuses.length === 0) return operation
  const mediaTypes = Object.keys(operation.requestBody?.content ?? { 'application/json': undefined })
  const problems = problemsOf(statuses, { instance, requestId, maxBodyBytes, mediaTypes }, own)
  const undocumented = problems.find(({ status }) => !statuses.includes(String(status)))
  if (undocumented)
    throw new Error(
      `${operation.operationId}: the status ${undocumented.status} of an example is not documented`,
    )
  return mapResponses(operation, (response, status) => {
    const media = response.content?.[problemMediaType]
    const ofStatus = problems.filter((problem) => String(problem.status) === status)
    if (media === undefined || ofStatus.length === 0) return response
    const examples = ofStatus.map((problem) => [problem.code, { value: problem }])
    const content = { [problemMediaType]: { ...media, examples: Object.fromEntries(examples) } }
    return { ...response, content: { ...response.content, ...content } }
  })
}

/** Adds what its guard says: who may call the operation, and how others are refused. */
const withGuard = (
  operation: Operation,
  { access }: Guard,
  responses: Operation['responses'],
): Operation => ({
  ...operation,
  security: securityOf(access),
  responses: { ...operation.responses, ...responses },
})

/**
 * Adds descriptions, who may call each operation, and examples of every documented problem. The examples are made by the
 * functions that make the real problems. Throws if an operation that does not ignore credentials is not among those of a
 * service that documents its operations: nobody has said who may call it.
 */
export const documentOperations = (
  document: Document,
  operations: OperationsDocumentation | undefined,
  maxBodyBytes: number,
): Document =>
  mapOperations(document, (operation, { path, method }) => {
    const request = { instance: pathOf(path, operation.parameters), maxBodyBytes }
    const documentation = operations?.[operation.operationId ?? '']
    if (documentation === undefined) {
      if (operations === undefined || operation.security !== undefined)
        return withExamples(operation, request, [])
      throw new Error(`${method.toUpperCase()} ${path}: its documentation does not say who may call it`)
    }
    const { guard, problems } = documentation
    // The schema of the route may have a description, too.
    const { description: own, ...rest } = operation
    const sentences = [documentation.description, own, sentenceOf(guard.access)]
    const described = { description: sentences.filter(Boolean).join(' '), ...rest }
    const guarded = withGuard(described, guard, responsesOf(guard))
    return withExamples(guarded, request, [...refusalsOf(guard), ...problems])
  })
