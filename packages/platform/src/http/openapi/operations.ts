import { AppError } from '@shop/kernel/errors.ts'
import { unsupportedMediaTypeDetail } from '../edge/media-types.ts'
import { type Problem, problemMediaType, problemOf, problemOfStatus } from '../problem.ts'
import { type Document, mapOperations, mapResponses, type Operation, type Parameter } from './document.ts'

/** An error of an operation, and the path of its request if that is not the path with the example parameters. */
type ProblemExample = AppError | Readonly<{ error: AppError; instance: string }>

/** What the document says about an operation, besides the schemas of its route. */
type OperationDocumentation = Readonly<{
  description: string
  /** Its errors, at most one with the same code, without those of the HTTP server itself. */
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

/** The problem of the HTTP server with the status. */
const serverProblem = (
  status: number,
  instance: string,
  { requestBody }: Operation,
  maxBodyBytes: number,
): Problem => {
  const request = { instance, requestId, maxBodyBytes }
  if (status === 500) return problemOf(undefined, request)
  const problem = problemOfStatus(status, request)
  const mediaTypes = Object.keys(requestBody?.content ?? { 'application/json': {} })
  return status === 415 ? { ...problem, detail: unsupportedMediaTypeDetail(mediaTypes) } : problem
}

/** The problems of an operation that has the statuses: its own, and those of the HTTP server. */
const problemsOf = (
  operation: Operation,
  statuses: readonly string[],
  instance: string,
  own: readonly ProblemExample[],
  maxBodyBytes: number,
): Problem[] => {
  const problems = own.map((example) =>
    example instanceof AppError
      ? problemOf(example, { instance, requestId })
      : problemOf(example.error, { instance: example.instance, requestId }),
  )
  const added = statuses
    .map(Number)
    .filter((status) => serverStatuses.has(status) && problems.every((problem) => problem.status !== status))
    .map((status) => serverProblem(status, instance, operation, maxBodyBytes))
  return [...problems, ...added]
}

const withExamples = (
  operation: Operation,
  path: string,
  own: readonly ProblemExample[],
  maxBodyBytes: number,
): Operation => {
  const isProblem = (status: string) =>
    operation.responses?.[status]?.content?.[problemMediaType] !== undefined
  const statuses = Object.keys(operation.responses ?? {}).filter(isProblem)
  if (statuses.length === 0) return operation
  const problems = problemsOf(operation, statuses, pathOf(path, operation.parameters), own, maxBodyBytes)
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

/**
 * Adds descriptions, and examples of every documented problem. The examples are made by the functions that make
 * the real problems.
 */
export const documentOperations = (
  document: Document,
  operations: OperationsDocumentation,
  maxBodyBytes: number,
): Document =>
  mapOperations(document, (operation, { path }) => {
    const documentation = operations[operation.operationId ?? '']
    if (documentation === undefined) return withExamples(operation, path, [], maxBodyBytes)
    const { description, problems } = documentation
    return withExamples({ description, ...operation }, path, problems, maxBodyBytes)
  })
