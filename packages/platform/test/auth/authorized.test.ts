import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { anybody, type Policy, type Rule, scope } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { authorized } from '../../src/auth/authorized.ts'
import { pipeline } from '../../src/pipeline.ts'
import { onBehalfOf, requestContext } from '../../src/request-context.ts'
import { shareIdentical } from '../../src/resilience/share-identical.ts'

const ann: Principal = { kind: 'user', subject: 'ann', scopes: new Set(['read']) }
const eve: Principal = { kind: 'user', subject: 'eve', scopes: new Set() }
const contextOf = (principal: Principal) => ({ requestId: 'req-1', principal })

const own: Rule<Readonly<{ owner: string }>> = {
  access: 'anybody',
  refusal: (principal, { owner }) =>
    principal.kind === 'user' && principal.subject === owner
      ? undefined
      : new AppError('forbidden', 'this is not yours'),
}

test('a use case runs only if its rule permits the caller and the input', async () => {
  const ran: string[] = []
  const useCases = {
    open: async () => void ran.push('open'),
    read: async () => void ran.push('read'),
    change: async ({ owner }: Readonly<{ owner: string }>) => void ran.push(`change ${owner}`),
  }
  const policy = { open: anybody, read: scope('read'), change: own } satisfies Policy<typeof useCases>
  const use = pipeline(useCases, [authorized(policy)])
  await use.open(undefined, contextOf(anonymous))
  await assert.rejects(use.read(undefined, contextOf(anonymous)), hasCode('unauthenticated'))
  await assert.rejects(use.read(undefined, contextOf(eve)), hasCode('forbidden'))
  await use.read(undefined, contextOf(ann))
  await assert.rejects(use.change({ owner: 'ann' }, contextOf(eve)), hasCode('forbidden'))
  await use.change({ owner: 'ann' }, contextOf(ann))
  assert.deepEqual(ran, ['open', 'read', 'change ann'])
})

test('a service with a use case without a rule cannot be assembled', () =>
  assert.throws(() => pipeline({ forgotten: async () => {} }, [authorized({})]), /forgotten has no rule/))

test('a rule that is missing, or takes another input, does not compile', () => {
  type UseCases = { change: (input: Readonly<{ owner: string }>) => Promise<void> }
  // @ts-expect-error: `change` has no rule
  const missing: Policy<UseCases> = {}
  const byId: Rule<Readonly<{ id: string }>> = { access: 'anybody', refusal: () => undefined }
  // @ts-expect-error: the rule asks for an input that `change` does not have
  const other: Policy<UseCases> = { change: byId }
  assert.ok(missing && other)
})

test('of callers who share a query in the same turn, those who may not are refused, and the query has no caller', async () => {
  const seen = new Set<unknown>()
  let queries = 0
  const shared = shareIdentical(
    (key: string) => key,
    async () => {
      queries += 1
      seen.add(Object.keys(requestContext.getStore() ?? {}).includes('principal'))
      return 'secret'
    },
  )
  const use = pipeline({ read: async () => shared('all') }, [authorized({ read: scope('read') })])
  const call = (principal: Principal) => {
    const context = contextOf(principal)
    return requestContext.run(context, () => use.read(undefined, context))
  }
  const calls = Array.from({ length: 1_000 }, (_, index) => call(index % 2 === 0 ? ann : eve))
  const results = await Promise.allSettled(calls)
  for (const [index, result] of results.entries())
    assert.equal(result.status, index % 2 === 0 ? 'fulfilled' : 'rejected')
  assert.ok(queries < 500, `${queries} queries`)
  assert.deepEqual([...seen], [false])
})

test('work on behalf of several callers does not have the principal of the first', async () => {
  const request = contextOf(ann)
  await onBehalfOf([{ request, span: undefined }], async () =>
    assert.equal('principal' in (requestContext.getStore() ?? {}), false),
  )
})
