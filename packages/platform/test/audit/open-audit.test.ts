import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { runProgram } from '@shop/testing/services/program.ts'
import { smallDisk, withoutMounts } from '@shop/testing/stores/small-disk.ts'
import { openAudit } from '../../src/audit/open-audit.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { contextOf, machine, targets } from '../support/audit.ts'

const program = new URL('./programs/write-lines.ts', import.meta.url)
const linesOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
const requestIds = (text: string) => linesOf(text).map(({ request_id }) => request_id)

const untilWritten = () => new Promise((resolve) => setImmediate(resolve))

describe('audit lines', () => {
  for (const format of ['text', 'json'])
    it(`are JSON on the console, whatever LOG_LEVEL is, beside a ${format} log, and not redacted`, async () => {
      const { code, stdout } = await runProgram(program, '2', 'console', format)
      assert.equal(code, 0)
      const [{ time, ...first }, ...more] = linesOf(stdout)
      assert.equal(new Date(time).toISOString(), time)
      assert.deepEqual(first, {
        level: 'info',
        service: 'shop',
        event: 'audit',
        use_case: 'change',
        actor: { type: 'machine', name: 'office' },
        target: { type: 'thing', id: 1 },
        outcome: 'applied',
        version_before: 1,
        version_after: 2,
        request_id: 'r1',
      })
      assert.equal(more.length, 1)
    })

  it('are written at the end of the process, also those of commands that have not ended', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'audit-'))
    const { code, stdout } = await runProgram(program, '250', folder.path, 'json', 'hang')
    assert.deepEqual([code, stdout], [0, ''])
    const lines = linesOf(readFileSync(join(folder.path, 'shop.audit.log'), 'utf8'))
    assert.equal(lines.length, 251)
    const { outcome, request_id } = lines.at(-1)
    assert.deepEqual([outcome, request_id], ['unknown', 'hung'])
  })

  it('go to the console if their file cannot be opened', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'audit-'))
    mkdirSync(join(folder.path, 'shop.audit.log'))
    const { code, stdout } = await runProgram(program, '1', folder.path, 'json')
    assert.equal(code, 0)
    assert.deepEqual(requestIds(stdout), ['r1'])
  })

  it('that cannot be written are counted, and standard error says how many they were', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'audit-'))
    symlinkSync('/dev/full', join(folder.path, 'shop.audit.log'))
    const { code, stderr } = await runProgram(program, '10000', folder.path, 'json')
    assert.equal(code, 0)
    const [first = '', lost = '', last] = stderr.trim().split('\n')
    assert.match(first, /^audit lines cannot be written: ENOSPC/)
    // Some still wait when the process ends.
    const [, count] = /^lost (\d+)$/.exec(lost) ?? []
    assert.ok(Number(count) > 1_000 && Number(count) < 10_000, lost)
    assert.equal(last, '10000 audit lines are lost')
  })

  it('that nobody has read from the console when the process ends are counted too', async () => {
    const child = spawn(process.execPath, [fileURLToPath(program), '3000', 'console', 'json'])
    let stderr = ''
    child.stderr.on('data', (text) => (stderr += text))
    // Node.js would throw away what nobody waits for.
    const waitForOutput = () => {}
    child.stdout.on('readable', waitForOutput)
    await once(child, 'exit')
    child.stdout.off('readable', waitForOutput)
    const stdout = Buffer.concat(await child.stdout.toArray()).toString()
    const [, lost] = /^(\d+) audit lines are lost$/m.exec(stderr) ?? []
    assert.ok(stdout.split('\n').length - 1 + Number(lost) >= 3_000, stderr)
  })

  it('go on after a full disk, and one of them says how many were lost; the log says that they were', {
    skip: withoutMounts,
  }, async () => {
    await using disk = await smallDisk(256)
    const filler = join(disk.folder, 'filler')
    writeFileSync(filler, Buffer.alloc(200 * 1024))
    const { logger, lines: logged } = recordingLogger()
    const metrics = createMetrics('shop', '1')
    const file = { folder: disk.folder, name: 'shop.audit.log' }
    using audit = openAudit({ key: undefined, file }, { logger, metrics, service: 'shop', targets })
    const entry = { useCase: 'change', target: undefined, outcome: 'applied' } as const
    const count = 8_000
    for (let number = 0; number < count; number++) {
      audit.write({ ...entry, context: contextOf(machine, `r${number}`) })
      if (number % 100 === 0) await untilWritten()
    }
    await untilWritten()
    const scraped = await metrics.registry.metrics()
    const [, waiting] = /^audit_lines_waiting\S* (\d+)$/m.exec(scraped) ?? []
    const [, lost] = /^audit_lines_lost_total\S* (\d+)$/m.exec(scraped) ?? []
    assert.ok(Number(waiting) > 0 && Number(lost) > 0, scraped)
    // Room for what waits.
    await promisify(execFile)('mount', ['-o', 'remount,size=8m', disk.folder])
    audit.write({ ...entry, context: contextOf(machine, 'first after it') })
    await untilWritten()
    const written = linesOf(readFileSync(join(disk.folder, 'shop.audit.log'), 'utf8'))
    const { event, count: said } = written.pop() ?? {}
    assert.deepEqual([event, said], ['audit_lost', Number(lost)])
    assert.equal(written.length + Number(lost), count + 1)
    assert.deepEqual(
      logged.map(({ msg, lost: inLog }) => [msg, inLog]),
      [
        ['audit lines cannot be written', undefined],
        ['audit lines are written again', Number(lost)],
      ],
    )
  })
})
