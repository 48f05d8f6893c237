import { setTimeout as delay } from 'node:timers/promises'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { mutableProxyOn } from '@shop/testing/services/tcp.ts'
import type { Fault } from './faults.ts'

type Environment = Readonly<Record<string, string>>

/** Loaded before the service: each SIGUSR2 sets the wall clock to the next of some offsets. */
const steppableClock = `
const { now } = Date
const offsets = [0, 300_000, -240_000, 60_000, -600_000]
let next = 0
process.on('SIGUSR2', () => { next += 1 })
Date.now = () => now() + offsets[next % offsets.length]
globalThis.Date = new Proxy(Date, {
  construct: (target, args, self) => Reflect.construct(target, args.length ? args : [target.now()], self),
})`

const importing = (program: string): string => `--import=data:text/javascript,${encodeURIComponent(program)}`

const workersIn = (output: string): number[] =>
  output.split('\n').flatMap((line) => {
    const pid = /"worker_pid":(\d+).*"msg":"worker started"/.exec(line)?.[1]
    return pid === undefined ? [] : [Number(pid)]
  })

/** The processes that serve requests: the last workers, if there are any. */
const servingPids = (service: RunningService, workers: number): number[] =>
  workers === 0 ? [service.process.pid ?? 0] : workersIn(service.output()).slice(-workers)

const sendSignal = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch {
    // It has exited: its supervisor starts another one.
  }
}

type Options = Readonly<{
  environment: Environment
  /** A program that the service loads first, with a defect to find. */
  defect?: string | undefined
}>

/**
 * Starts a basket service that clients reach through a proxy, and that can be killed and started again on the same port.
 */
export const startProcess = async ({ environment, defect }: Options) => {
  await using stack = new AsyncDisposableStack()
  const [port, proxyPort] = [await freePort(), await freePort()]
  const workers = Number(environment['WORKERS'] ?? 0)
  const programs = [steppableClock, ...(defect === undefined ? [] : [defect])]
  const start = () =>
    startService('basket', {
      LOG_LEVEL: workers === 0 ? 'error' : 'info',
      ...environment,
      PORT: String(port),
      NODE_OPTIONS: programs.map(importing).join(' '),
    })
  let service = await start()
  const pids = () => servingPids(service, workers)
  stack.defer(async () => {
    // A worker that is paused would not notice that its supervisor has gone.
    for (const pid of pids()) sendSignal(pid, 'SIGCONT')
    await service.stop('SIGKILL')
  })
  const proxy = stack.use(mutableProxyOn(proxyPort, { host: '127.0.0.1', port }))
  await proxy.start()
  const faults: Fault[] = [
    {
      kind: 'process paused',
      run: async (random) => {
        const pid = random.pick(pids())
        sendSignal(pid, 'SIGSTOP')
        await delay(random.between(700, 2_000))
        sendSignal(pid, 'SIGCONT')
      },
    },
    {
      kind: 'process killed',
      run: async () => {
        await service.stop('SIGKILL')
        service = await start()
      },
    },
    {
      kind: 'clock stepped',
      run: async (random) => sendSignal(random.pick(pids()), 'SIGUSR2'),
    },
    ...linkFaults('clients', proxy, 400),
  ]
  const owned = stack.move()
  return {
    url: `http://127.0.0.1:${proxyPort}`,
    faults,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

type Proxy = ReturnType<typeof mutableProxyOn>

/** The faults of a connection: it is cut, responses are lost, or nobody listens for a while. */
export const linkFaults = (to: string, proxy: Proxy, maxMs: number): readonly Fault[] => {
  const restart = async () => {
    await proxy.stop()
    await proxy.start()
  }
  return [
    { kind: `connections to ${to} cut`, run: restart },
    {
      kind: `responses to ${to} lost`,
      run: async (random) => {
        proxy.mute()
        await delay(random.between(20, maxMs))
        await restart()
      },
    },
  ]
}
