import type { Context } from '@shop/kernel/context.ts'
import type { AppError } from '@shop/kernel/errors.ts'
import type { Rule } from '@shop/kernel/policy.ts'
import type { Step } from '../pipeline.ts'

/** For each use case, a function that is called for each refusal. */
type RefusalListener = (useCase: string) => (input: unknown, context: Context, refusal: AppError) => void

/**
 * Asks the rule of each use case before it runs, so before any store is asked: a refusal says nothing about what exists. Throws
 * if a use case has no rule. `policy` has the rules by the names of the use cases (see `Policy`).
 */
export const authorized =
  (policy: Readonly<Record<string, Rule<never>>>, listener?: RefusalListener): Step =>
  (use, name) => {
    const rule = policy[name]
    if (rule === undefined) throw new Error(`the use case ${name} has no rule`)
    const onRefusal = listener?.(name)
    return (input, context) => {
      // `Policy` has checked that the rule takes the input of this use case.
      const refusal = rule.refusal(context.principal, input as never)
      if (refusal === undefined) return use(input, context)
      onRefusal?.(input, context, refusal)
      return Promise.reject(refusal)
    }
  }
