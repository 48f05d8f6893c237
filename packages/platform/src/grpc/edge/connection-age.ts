export type ConnectionTimes = Readonly<{
  maxAgeMs: number
  graceMs: number
  maxIdleMs: number
  /** How often connections are checked, as in `limitTime`. */
  checkMs: number
}>

export const defaultTimes: ConnectionTimes = {
  // Clients then connect anew, and so find instances that were added. The library varies it by 10 %, so that they do not
  // all come back at the same time.
  maxAgeMs: 10 * 60_000,
  // Longer than the deadline of any call. Streams that never end, such as Watch of the health service, end here.
  graceMs: 30_000,
  // Half of the age: a client without calls gives its share of the connections back, and connects anew within 3 ms.
  maxIdleMs: 5 * 60_000,
  checkMs: 1_000,
}

/** The options of grpc-js that end connections: old, idle or dead ones. */
export const connectionOptions = ({ maxAgeMs, graceMs, maxIdleMs }: ConnectionTimes = defaultTimes) => ({
  'grpc.max_connection_age_ms': maxAgeMs,
  'grpc.max_connection_age_grace_ms': graceMs,
  'grpc.max_connection_idle_ms': maxIdleMs,
  // Detects dead connections, also between calls.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
})
