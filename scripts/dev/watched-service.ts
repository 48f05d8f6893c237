import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { OperatorError } from '@shop/platform/config/operator-error.ts'

/** An editor that saves a file, and a change of branches, cause several events. */
const settleMs = 200

const maxReasonLength = 2_000

/** A program, and the folders with its sources. */
type Service = Readonly<{ name: string; main: string; folders: readonly string[] }>

/** The system limits how many files can be watched (on Linux, fs.inotify.max_user_watches). */
const reportUnwatched =
  (folder: string) =>
  (error: unknown): void =>
    void process.stderr.write(`Changes in ${folder} are not noticed: ${String(error)}\n`)

/** Calls `onChange` after changes of the sources of the service. Watches folders: many editors replace a file when they save it. */
const watchSources = (folders: readonly string[], onChange: () => void): Disposable => {
  let timer: NodeJS.Timeout | undefined
  const settle = () => {
    clearTimeout(timer)
    timer = setTimeout(onChange, settleMs)
  }
  const watchers = folders.flatMap((folder) => {
    try {
      return watch(folder, { recursive: true }, settle).on('error', reportUnwatched(folder))
    } catch (error) {
      reportUnwatched(folder)(error)
      return []
    }
  })
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
    },
  }
}

const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode === null && signalCode === null

/**
 * Starts a service in its own process group, so that Ctrl-C does not signal it. `onStderr` gets what it writes to standard
 * error.
 */
const spawnService = (main: string, env: NodeJS.ProcessEnv, onStderr: (text: string) => void) => {
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'inherit', 'pipe'], detached: true })
  child.stderr.on('data', (chunk: Buffer) => {
    process.stderr.write(chunk)
    onStderr(chunk.toString())
  })
  return child
}

/** Ends the process, at the latest after the limit. */
const end = async (child: ChildProcess, name: string, limitMs: number): Promise<void> => {
  if (!isRunning(child)) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await Promise.race([exited, delay(limitMs, undefined, { ref: false })])
  if (!isRunning(child)) return
  process.stderr.write(
    `The ${name} service has not ended ${limitMs / 1_000} s after SIGTERM: it is killed.\n`,
  )
  child.kill('SIGKILL')
  await exited
}

const howEnded = ({ exitCode, signalCode }: ChildProcess): string => signalCode ?? `exit code ${exitCode}`

/** The message for the operator, or that of the error in the report of a crash. It may have scrolled away. */
const reasonIn = (errorOutput: string): string => {
  const [first = '', ...more] = errorOutput.trim().split('\n')
  if (more.length === 0) return first || 'its log above says why'
  return [first, ...more].find((line) => /^\w*Error\b.*: /.test(line)) ?? errorOutput.trim()
}

/**
 * Runs a service, and restarts it when its sources change. `node --watch` would do the same, but would also wait for a change
 * when the service cannot start at all, and does not tell. A service that has not ended `stopLimitMs` after SIGTERM, such as
 * one with an endless loop, is killed.
 */
export const startWatched = (
  { name, main, folders }: Service,
  env: NodeJS.ProcessEnv,
  stopLimitMs: number,
) => {
  const { promise: failed, reject } = Promise.withResolvers<never>()
  let errorOutput = ''
  let isUp = false
  let isStopping = false
  let restarting = Promise.resolve()

  const start = () => {
    errorOutput = ''
    const child = spawnService(main, env, (text) => {
      errorOutput = (errorOutput + text).slice(-maxReasonLength)
    })
    child.once('close', () => {
      if (isStopping || child !== current) return
      const message = `The ${name} service has ended (${howEnded(child)})`
      if (isUp) process.stderr.write(`${message}; waiting for a change of its files.\n`)
      else reject(new OperatorError(`${message}: ${reasonIn(errorOutput)}`))
    })
    return child
  }
  let current: ChildProcess | undefined = start()
  // If this process crashes, the service would go on in its own process group, and keep its port.
  const endWithProcess = () => void current?.kill('SIGTERM')
  process.once('exit', endWithProcess)

  const stopCurrent = async () => {
    const child = current
    current = undefined
    if (child !== undefined) await end(child, name, stopLimitMs)
  }
  const restart = async () => {
    if (isStopping) return
    process.stderr.write(`Restarting the ${name} service.\n`)
    await stopCurrent()
    if (!isStopping) current = start()
  }
  const watcher = watchSources(folders, () => {
    restarting = restarting.then(restart)
  })
  return {
    name,
    /** Rejects if the service ends before it was up. */
    failed,
    /** From now on, a service that ends waits for a change of its files, which may be in the middle of being edited. */
    setUp: () => {
      isUp = true
    },
    stop: async (): Promise<void> => {
      isStopping = true
      watcher[Symbol.dispose]()
      await restarting
      await stopCurrent()
      process.removeListener('exit', endWithProcess)
    },
  }
}
