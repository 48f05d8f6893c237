import { unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import type { Identify } from '@shop/platform/auth/identity.ts'
import type { FastifyInstance } from 'fastify'
import type { readExamples } from './openapi-examples.ts'

const principals: Readonly<Record<string, Principal>> = {
  'Bearer stranger': { kind: 'user', subject: 'somebody.else', scopes: new Set() },
}

/** Knows a user without scopes, who owns nothing. */
const identify: Identify = (authorization) => {
  if (authorization === undefined) return anonymous
  const principal = principals[authorization]
  if (principal === undefined) throw unauthenticated('the credentials are not valid')
  return principal
}

type App = Readonly<{ http: FastifyInstance }> & AsyncDisposable

/**
 * Asserts that the service refuses callers as the examples say: without credentials, with those of a user who may not, and where
 * none are needed, with credentials that are not valid. `open` opens the service with this identity.
 */
export const assertRefusals = async (
  { assertProblem, assertSuccess, operationsWith, unseen }: Awaited<ReturnType<typeof readExamples>>,
  open: (identity: Readonly<{ identify: Identify }>) => Promise<App>,
): Promise<void> => {
  await using app = await open({ identify })
  const { http } = app
  for (const operation of operationsWith('unauthenticated'))
    await assertProblem(http, operation, 'unauthenticated')
  for (const operation of operationsWith('forbidden'))
    await assertProblem(http, operation, 'forbidden', { headers: { authorization: 'Bearer stranger' } })
  const withoutExample = [...unseen].flatMap((key) => /^(\w+) 401$/.exec(key)?.[1] ?? [])
  for (const operation of withoutExample)
    await assertSuccess(http, operation, 401, { headers: { authorization: 'Bearer nonsense' } })
}
