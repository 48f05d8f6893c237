import type { Context } from '@shop/kernel/context.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import { pipeline } from '@shop/platform/pipeline.ts'
import { type UseCases, useCases } from '../../src/application/use-cases.ts'
import type { Ports } from '../../src/domain/ports.ts'

/** Of a caller who waits as long as it takes. */
export const context: Context = { requestId: 'test', principal: anonymous }

/** The use cases alone, with nothing around them. */
export const useCasesOf = (ports: Ports): UseCases => {
  const { commands, queries } = useCases(ports)
  return pipeline({ ...commands, ...queries }, [])
}
