import { InterceptingCall, type Interceptor, status } from '@grpc/grpc-js'
import type { Metrics } from '../metrics/metrics.ts'

/** Measures every call of a client from its start to its final status. Retries are part of the call. */
export const measureCalls =
  ({ rpcClientDuration }: Pick<Metrics, 'rpcClientDuration'>): Interceptor =>
  (options, nextCall) => {
    const started = performance.now()
    const rpc_method = options.method_definition.path.slice(1)
    return new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, {
          onReceiveStatus: (received, pass) => {
            const rpc_response_status_code = status[received.code] ?? 'UNKNOWN'
            const seconds = (performance.now() - started) / 1_000
            rpcClientDuration.observe({ rpc_method, rpc_response_status_code }, seconds)
            pass(received)
          },
        }),
    })
  }
