import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startProgram } from '@shop/testing/services/program.ts'
import { withoutScript } from '../support/terminal.ts'

const program = new URL('./programs/log-until-stopped.ts', import.meta.url)
const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'shop-hangup-'))

type Line = Readonly<{ msg: string; number?: number; signal?: string; terminal?: string; pid: number }>

const linesIn = (file: string): Line[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

const messagesIn = (file: string) => linesIn(file).flatMap(({ msg }) => (msg === 'line' ? [] : [msg]))

/** Starts the program, and moves its log file away. */
const startAndMoveLog = async (folder: string) => {
  await using stack = new AsyncDisposableStack()
  const running = stack.use(startProgram(program, folder))
  await running.waitForOutput('started')
  const [current, moved] = [join(folder, 'shop.1.log'), join(folder, 'moved.log')]
  renameSync(current, moved)
  const owned = stack.move()
  return { ...running, current, moved, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

describe('SIGHUP to a single process', () => {
  it('opens a log file that was moved again; no line is lost, and the process goes on', async () => {
    await using folder = await temporaryFolder()
    await using running = await startAndMoveLog(folder.path)
    const { current, moved } = running
    running.kill('SIGHUP')
    await eventually(20_000, async () => assert.ok(existsSync(current) && statSync(current).size > 10_000))
    running.kill('SIGTERM')
    assert.equal((await running.waitForExit()).code, 0)
    const numbers = [...linesIn(moved), ...linesIn(current)].flatMap(({ number }) => number ?? [])
    assert.deepEqual(numbers, [...numbers.keys()])
    assert.deepEqual(messagesIn(current), ['log files reopened', 'stopping'])
    assert.equal((statSync(current).mode & 0o777).toString(8), '600')
  })

  it('leaves the old log file open if the new one cannot be opened, and reports that', async () => {
    await using folder = await temporaryFolder()
    await using running = await startAndMoveLog(folder.path)
    const { current, moved } = running
    mkdirSync(current)
    running.kill('SIGHUP')
    const refused = 'a log file cannot be reopened; lines still go to the old one'
    await eventually(20_000, async () => assert.ok(messagesIn(moved).includes(refused)))
    running.kill('SIGTERM')
    assert.equal((await running.waitForExit()).code, 0)
    assert.deepEqual(messagesIn(moved), [refused, 'stopping'])
  })

  it('stops it if its terminal has closed', { skip: withoutScript }, async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'shop.1.log')
    const command = `exec '${process.execPath}' '${fileURLToPath(program)}' '${folder.path}'`
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
    const exited = once(terminal, 'exit')
    terminal.stdout.resume()
    await eventually(20_000, async () => assert.ok(linesIn(file).length > 0))
    // By hand, it only opens the log files again.
    const { pid } = linesIn(file)[0] ?? assert.fail('no line')
    process.kill(pid, 'SIGHUP')
    await eventually(20_000, async () => assert.deepEqual(messagesIn(file), ['log files reopened']))
    terminal.kill('SIGKILL')
    await exited
    await eventually(20_000, async () => assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }))
    const { signal, terminal: state } = linesIn(file).find(({ msg }) => msg === 'stopping') ?? {}
    assert.deepEqual([signal, state], ['SIGHUP', 'closed'])
  })
})
