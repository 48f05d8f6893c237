import type { Context } from '@shop/kernel/context.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import { pipeline } from '@shop/platform/pipeline.ts'
import { type UseCases, useCases } from '../../src/application/use-cases.ts'
import type { Ports } from '../../src/domain/ports.ts'

/** The context of an anonymous caller that never cancels. */
export const context: Context = { requestId: 'test', principal: anonymous }

/** Returns the use cases without pipeline steps. */
export const useCasesOf = (ports: Ports): UseCases => {
  const { commands, queries } = useCases(ports)
  return pipeline({ ...commands, ...queries }, [])
}
