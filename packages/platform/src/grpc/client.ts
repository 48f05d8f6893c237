import {
  type CallOptions,
  type Client,
  Metadata,
  type requestCallback,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { AppError } from '@shop/kernel/errors.ts'
import { service as healthDefinition } from 'grpc-health-check'
import { joinedIdsHeader, requestContext, requestIdHeader } from '../request-context.ts'
import { meaningOf } from './status.ts'

/** Trailing metadata with the code of the error, which a status alone does not tell. */
export const errorCodeKey = 'error-code'

type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: requestCallback<Response>,
) => unknown

const appError = (error: ServiceError): AppError => {
  const named = error.metadata.get(errorCodeKey)[0]
  const { kind, code } = meaningOf(error.code, named)
  // Without a code of ours the text is the library's or the network's, and not for callers.
  const message = named === undefined ? 'the called service did not respond' : error.details
  return new AppError(kind, message, { code, cause: error })
}

/**
 * Calls a method of a generated client, with a deadline in milliseconds, and the request id. An error comes back as the
 * `AppError` that the other service threw; `unavailable` also when it did not answer in time.
 */
export const callUnary = <Request, Response>(
  method: UnaryMethod<Request, Response>,
  request: Request,
  deadlineMs: number,
): Promise<Response> => {
  const metadata = new Metadata()
  const context = requestContext.getStore()
  if (context !== undefined) metadata.set(requestIdHeader, context.requestId)
  if (context?.joinedIds !== undefined) metadata.set(joinedIdsHeader, context.joinedIds.join(' '))
  return new Promise((resolve, reject) => {
    method(request, metadata, { deadline: Date.now() + deadlineMs }, (error, response) => {
      if (error === null && response !== undefined) resolve(response)
      else reject(error === null ? new Error('the call ended without a response') : appError(error))
    })
  })
}

const { Check } = healthDefinition

const isUnimplemented = (error: unknown): boolean =>
  error instanceof AppError &&
  error.cause instanceof Error &&
  'code' in error.cause &&
  error.cause.code === status.UNIMPLEMENTED

/**
 * Resolves when the server says of its service that it is SERVING (grpc.health.v1), or answers that it does not know that
 * question, as the protocol has it. Rejects when it says otherwise, and like `callUnary`.
 */
export const checkServing = async (client: Client, service: string, deadlineMs: number): Promise<void> => {
  if (Check === undefined || !('path' in Check)) throw new Error('the health contract has no Check')
  const { path, requestSerialize, responseDeserialize } = Check
  const check: UnaryMethod<object, object> = (request, ...rest) =>
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, ...rest)
  try {
    const answer = await callUnary(check, { service }, deadlineMs)
    if (!('status' in answer) || answer.status !== 'SERVING') throw new Error(`${service} is not serving`)
  } catch (error) {
    if (!isUnimplemented(error)) throw error
  }
}
