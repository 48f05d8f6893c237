import { once } from 'node:events'
import autocannon from 'autocannon'

/** Runs autocannon in a child process: receives its options from the parent and sends the outcome back. */
const [options] = (await once(process, 'message')) as [autocannon.Options]
const { requests, latency, errors, timeouts, non2xx } = await autocannon(options)
process.send?.({
  rate: requests.average,
  failed: errors + timeouts + non2xx,
  p50: latency.p50,
  p99: latency.p99,
})
process.disconnect?.()
