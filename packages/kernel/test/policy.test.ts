import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anybody, internal, scope } from '../src/policy.ts'
import { anonymous, type Principal, unrestricted } from '../src/principal.ts'

const scopes = new Set(['products:write'])
const system: Principal = { kind: 'system' }
const ann: Principal = { kind: 'user', subject: 'ann', scopes: new Set() }
const editor: Principal = { kind: 'user', subject: 'ed', scopes }
const importer: Principal = { kind: 'machine', name: 'import', scopes }
const callers = { anonymous, ann, editor, importer, system, unrestricted }

/** The outcome of each caller: `ok`, or the kind of the refusal. */
const outcomes = (rule: typeof anybody) =>
  Object.fromEntries(
    Object.entries(callers).map(([name, principal]) => [
      name,
      rule.refusal(principal, undefined)?.kind ?? 'ok',
    ]),
  )

const everybody = Object.fromEntries(Object.keys(callers).map((name) => [name, 'ok']))

test('everybody may do what is open to anybody', () => assert.deepEqual(outcomes(anybody), everybody))

test('only the service itself may do what is internal', () => {
  const refused = Object.fromEntries(Object.keys(callers).map((name) => [name, 'forbidden']))
  assert.deepEqual(outcomes(internal), { ...refused, system: 'ok' })
})

test('a scope is needed by everybody but the service itself, and by nobody while nobody is asked', () => {
  const rule = scope('products:write')
  assert.deepEqual(outcomes(rule), { ...everybody, anonymous: 'unauthenticated', ann: 'forbidden' })
  assert.deepEqual(rule.refusal(ann, undefined)?.details, { required_scope: 'products:write' })
})
