import {
  type CallOptions,
  type Client,
  type ClientUnaryCall,
  Metadata,
  type requestCallback,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { AppError } from '@shop/kernel/errors.ts'
import { service as healthDefinition } from 'grpc-health-check'
import { requestContext, requestIdHeader } from '../request-context.ts'
import { afterResponsiveTime } from '../resilience/responsive-timer.ts'
import { setJoinedIds } from './ids/joined-ids.ts'
import { meaningOf } from './status.ts'

/** The key of the trailing metadata that carries the error code, which is more specific than the status. */
export const errorCodeKey = 'error-code'

type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: requestCallback<Response>,
) => ClientUnaryCall

/** The error as a cause, without the metadata of the response: a server might repeat the credentials of the call there. */
const withoutMetadata = ({ message, code, stack }: ServiceError): Error =>
  Object.defineProperty(Object.assign(new Error(message), { code }), 'stack', {
    value: stack,
    configurable: true,
    writable: true,
  })

const appError = (error: ServiceError): AppError => {
  const errorCode = error.metadata.get(errorCodeKey)[0]
  const { kind, code } = meaningOf(error.code, errorCode)
  // Without an error code the text comes from the library or the network and is not meant for callers.
  const message = errorCode === undefined ? 'the called service did not respond' : error.details
  return new AppError(kind, message, { code, cause: withoutMetadata(error) })
}

/**
 * Calls a method of a generated client with the current request id and a deadline: `deadlineMs` from now, without time in
 * which this process is stalled (docs/decisions/0040-a-stalled-process-has-more-time.md). Rejects with the `AppError` that
 * the other service threw, or with `unavailable` if it did not respond in time.
 */
export const callUnary = <Request, Response>(
  method: UnaryMethod<Request, Response>,
  request: Request,
  deadlineMs: number,
): Promise<Response> => {
  const metadata = new Metadata()
  const context = requestContext.getStore()
  if (context !== undefined) metadata.set(requestIdHeader, context.requestId)
  const joinedIds = context?.joinedIds?.()
  if (joinedIds !== undefined) setJoinedIds(metadata, joinedIds)
  return new Promise((resolve, reject) => {
    // The library's own timer also counts time in which this process was stalled, so it is only the last resort.
    const call = method(request, metadata, { deadline: Date.now() + 2 * deadlineMs }, (error, response) => {
      timer[Symbol.dispose]()
      if (error === null && response !== undefined) resolve(response)
      else reject(error === null ? new Error('the call ended without a response') : appError(error))
    })
    const timer = afterResponsiveTime(deadlineMs, () =>
      call.call?.cancelWithStatus(status.DEADLINE_EXCEEDED, `no response within ${deadlineMs} ms`),
    )
  })
}

const { Check } = healthDefinition

const isUnimplemented = (error: unknown): boolean =>
  error instanceof AppError &&
  error.cause instanceof Error &&
  'code' in error.cause &&
  error.cause.code === status.UNIMPLEMENTED

/**
 * Resolves if the server reports the service as SERVING (grpc.health.v1). A server without health checks
 * (UNIMPLEMENTED) counts as serving, as the protocol specifies. Rejects on any other status, and whenever
 * `callUnary` does.
 */
export const checkServing = async (client: Client, service: string, deadlineMs: number): Promise<void> => {
  if (Check === undefined || !('path' in Check)) throw new Error('the health contract has no Check')
  const { path, requestSerialize, responseDeserialize } = Check
  const check: UnaryMethod<object, object> = (request, ...rest) =>
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, ...rest)
  try {
    const response = await callUnary(check, { service }, deadlineMs)
    if (!('status' in response) || response.status !== 'SERVING') throw new Error(`${service} is not serving`)
  } catch (error) {
    if (!isUnimplemented(error)) throw error
  }
}
