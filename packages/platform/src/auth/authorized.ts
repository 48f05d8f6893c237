import type { Rule } from '@shop/kernel/policy.ts'
import type { Step } from '../pipeline.ts'

/**
 * Asks the rule of each use case before it runs, so before any store is asked: a refusal says nothing about what exists. Throws
 * if a use case has no rule. `policy` has the rules by the names of the use cases (see `Policy`).
 */
export const authorized =
  (policy: Readonly<Record<string, Rule<never>>>): Step =>
  (use, name) => {
    const rule = policy[name]
    if (rule === undefined) throw new Error(`the use case ${name} has no rule`)
    return (input, context) => {
      // `Policy` has checked that the rule takes the input of this use case.
      const refusal = rule.refusal(context.principal, input as never)
      return refusal === undefined ? use(input, context) : Promise.reject(refusal)
    }
  }
