import type { AppError } from '@shop/kernel/errors.ts'
import type { Access, Rule } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import { problemMediaType } from '../problem.ts'
import type { Response } from './document.ts'

/** Who may send the example request of an operation. */
export type Guard = Readonly<{
  access: Access
  refusal: (principal: Principal) => AppError | undefined
}>

/** The guard of an operation: the rule of the use case that it calls, with the input of the example request. */
export const guardedBy = <Input>(rule: Rule<Input>, input: Input): Guard => ({
  access: rule.access,
  refusal: (principal) => rule.refusal(principal, input),
})

const scheme = 'bearer'

type Security = readonly Readonly<Record<string, readonly string[]>>[]

export const securitySchemes = {
  [scheme]: {
    type: 'http',
    scheme: 'bearer',
    description:
      'An access token of the issuer that the service trusts, or an API key. If the service does not ask who calls (`AUTH=off`), no operation needs one.',
  },
} as const

/** Operations that ignore credentials. */
export const ignoresCredentials: Security = []

/** What the operation accepts, as OpenAPI has it. An empty object stands for no credentials. */
export const securityOf = (access: Access): Security => {
  if (access === 'anybody') return [{}, { [scheme]: [] }]
  if (access === 'system') throw new Error('no operation may call a use case that only the service may')
  return 'scope' in access ? [{ [scheme]: [access.scope] }] : [{ [scheme]: [] }, {}]
}

/** The scope that a caller needs who is not the owner. */
export const scopeOf = (access: Access): string | undefined => {
  if (typeof access === 'string') return undefined
  return 'scope' in access ? access.scope : access.ownerOr
}

/** The sentence that says who may; none if everybody may. */
export const sentenceOf = (access: Access): string | undefined => {
  if (typeof access === 'string') return undefined
  return 'scope' in access
    ? `Needs the scope \`${access.scope}\`.`
    : `For its owner, and for callers with the scope \`${access.ownerOr}\`.`
}

const stranger: Principal = { kind: 'user', subject: 'somebody.else', scopes: new Set() }

/** What callers without credentials get, and what those get who may not. */
export const refusalsOf = ({ refusal }: Guard): readonly AppError[] =>
  [anonymous, stranger].flatMap((principal) => refusal(principal) ?? [])

const problemResponse = (description: string): Response & Readonly<{ description: string }> => ({
  description,
  content: { [problemMediaType]: { schema: { $ref: '#/components/schemas/Problem' } } },
})

/** The responses that an operation has because of its guard. Credentials that are not valid are refused also where none are needed. */
export const responsesOf = (guard: Guard): Readonly<Record<string, Response>> => ({
  401: problemResponse('Unauthorized'),
  ...(guard.refusal(stranger) && { 403: problemResponse('Forbidden') }),
})
