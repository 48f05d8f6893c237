import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noTarget, type Targets } from '@shop/kernel/audit.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { anonymous, type Principal, unrestricted } from '@shop/kernel/principal.ts'
import type { Audit } from '../../src/audit/audit.ts'
import type { Entry } from '../../src/audit/lines.ts'
import { contextOf, machine, serviceWith } from '../support/audit.ts'

/** Keeps what would be written. */
const recordingAudit = () => {
  const entries: Omit<Entry, 'context' | 'useCase' | 'target'>[] = []
  const audit: Audit = {
    has: (useCase) => useCase === 'change',
    targetOf: noTarget,
    write: ({ context: _context, useCase: _useCase, target: _target, ...entry }) => void entries.push(entry),
    unfinished: new Set(),
    [Symbol.dispose]: () => {},
  }
  return { audit, entries }
}

test('a command that ends has a line with its outcome and the versions that it found and wrote', async () => {
  const { audit, entries } = recordingAudit()
  const use = serviceWith(audit)
  await use.change({ id: 1 }, contextOf(machine))
  const stale = new AppError('stale', 'no')
  await assert.rejects(use.change({ id: 1, fails: stale }, contextOf(anonymous)), stale)
  assert.deepEqual(entries, [
    { outcome: 'applied', code: undefined, before: 1, after: 2, isReplayed: false },
    { outcome: 'failed', code: 'stale_version', before: 1, after: undefined, isReplayed: false },
  ])
  assert.equal(audit.unfinished.size, 0)
})

test('a write that may have taken effect is unknown', async () => {
  const { audit, entries } = recordingAudit()
  const lost = new AppError('unavailable', 'lost')
  await assert.rejects(serviceWith(audit).change({ id: 1, fails: lost }, contextOf(machine)), lost)
  assert.deepEqual(entries, [
    { outcome: 'unknown', code: 'unavailable', before: 1, after: undefined, isReplayed: false },
  ])
})

test('a command that an earlier request has done has written nothing, and its line says why', async () => {
  const { audit, entries } = recordingAudit()
  const idempotency = { key: 'key', fingerprint: 'fingerprint', markReplayed: () => {} }
  await serviceWith(audit).change({ id: 1, replays: true }, { ...contextOf(machine), idempotency })
  assert.deepEqual(entries, [
    { outcome: 'unchanged', code: undefined, before: undefined, after: undefined, isReplayed: true },
  ])
})

test('a command that has not ended when the process does is unknown, and has one line', async () => {
  const { audit, entries } = recordingAudit()
  const lost = new AppError('unavailable', 'lost')
  const running = serviceWith(audit).change({ id: 1, fails: lost }, contextOf(machine))
  assert.deepEqual(entries, [])
  for (const report of audit.unfinished) report()
  await assert.rejects(running, lost)
  assert.deepEqual(entries, [
    { outcome: 'unknown', code: undefined, before: 1, after: undefined, isReplayed: false },
  ])
})

test('the work of the service itself, and that of callers who are not asked, has no line', async () => {
  const { audit, entries } = recordingAudit()
  const system: Principal = { kind: 'system' }
  for (const principal of [system, unrestricted])
    await serviceWith(audit).change({ id: 1 }, contextOf(principal))
  assert.deepEqual(entries, [])
})

test('a service whose audit log does not know what a use case is about cannot be assembled', () => {
  const { audit } = recordingAudit()
  assert.throws(() => serviceWith({ ...audit, has: () => false }), /change has no audit target/)
})

test('a target that is missing, or takes another input, does not compile', () => {
  type UseCases = { change: (input: Readonly<{ owner: string }>) => Promise<void> }
  // @ts-expect-error: `change` has no target
  const missing: Targets<UseCases> = {}
  const other: Targets<UseCases> = {
    // @ts-expect-error: `change` has no id
    change: ({ id }) => ({ type: 'thing', id }),
  }
  assert.ok(missing && other)
})
