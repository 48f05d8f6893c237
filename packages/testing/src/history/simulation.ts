import type { Operation } from './history.ts'

/**
 * What becomes of a planned operation: it is answered; or it is not, and takes effect then, later, or never. Times are whole numbers, so
 * that equal ones occur: `wait` before the call, `before` from the call to the effect, `after` from there to the answer.
 */
export type Plan<Request> = Readonly<{
  client: number
  request: Request
  fate: 'answered' | 'unanswered' | 'late' | 'never'
  wait: number
  before: number
  after: number
}>

/** An object in memory whose operations take effect one at a time. */
export type Simulated<Request, Input, Output> = Readonly<{
  /** What the client asks now. */
  inputOf: (request: Request, client: number) => Input
  /** Lets the operation take effect, and returns the answer. `index` is that of the plan. */
  perform: (input: Input, index: number) => Output
  /** The client has the answer, or has given up. */
  answered?: (client: number, input: Input, output: Output | undefined) => void
}>

type Step = Readonly<{ time: number; order: number; run: () => void }>

const lateness = 40

/** Runs the plans, each client's one after the other, and returns the history that the clients saw. */
export const simulatedHistory = <Request, Input, Output>(
  plans: readonly Plan<Request>[],
  { inputOf, perform, answered }: Simulated<Request, Input, Output>,
): Operation<Input, Output>[] => {
  const history: Operation<Input, Output>[] = []
  const clocks = new Map<number, number>()
  const steps = plans.flatMap(({ client, request, fate, wait, before, after }, index): Step[] => {
    const begin = (clocks.get(client) ?? 0) + wait + 1
    const end = begin + before + after + 1
    clocks.set(client, end)
    let input: Input
    let output: Output | undefined
    const call = () => {
      input = inputOf(request, client)
    }
    const takeEffect = () => {
      const result = perform(input, index)
      if (fate === 'answered') output = result
    }
    const giveBack = () => {
      const isKnown = output !== undefined
      history.push({ client, input, output, begin, end: isKnown ? end : Infinity })
      answered?.(client, input, output)
    }
    const effectTime = begin + before + (fate === 'late' ? lateness : 0)
    return [
      { time: begin, order: 0, run: call },
      ...(fate === 'never' ? [] : [{ time: effectTime, order: 1, run: takeEffect }]),
      { time: end, order: 2, run: giveBack },
    ]
  })
  for (const step of steps.toSorted((a, b) => a.time - b.time || a.order - b.order)) step.run()
  return history
}
