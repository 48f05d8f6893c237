import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import type { Scenario } from './scenarios.ts'

/** At this number, all scenarios and candidates are measured by default. */
export const usualConnections = 64

/** Reads a list of whole numbers such as `1,8,64`; undefined if the variable is unset or empty. */
const listVariable = (name: string, max: number): number[] | undefined => {
  const text = process.env[name] ?? ''
  if (text === '') return undefined
  const values = text.split(',').map(Number)
  if (values.some((value) => !Number.isInteger(value) || value < 1 || value > max))
    throw new OperatorError(`${name} must be whole numbers from 1 to ${max}, separated by commas.`)
  return values
}

const patternVariable = (name: string): RegExp | undefined => {
  const text = process.env[name] ?? ''
  try {
    return text === '' ? undefined : new RegExp(text)
  } catch {
    throw new OperatorError(`${name} must be a regular expression.`)
  }
}

/** The settings of a run, from environment variables. */
export const readSettings = () => ({
  products: numberVariable('PRODUCTS', 100_000, 100_000_000),
  connections: listVariable('CONNECTIONS', 1_000),
  rounds: numberVariable('ROUNDS', 9, 100),
  seconds: numberVariable('SECONDS', 1, 60),
  rates: listVariable('RATES', 1_000_000),
  only: patternVariable('ONLY'),
  candidates: patternVariable('CANDIDATES'),
})

export type Settings = ReturnType<typeof readSettings>

/** Whether the run measures only a part, so that its results must not replace those of a whole run. */
export const isPartial = ({ connections, rates, only, candidates }: Settings): boolean =>
  [connections, rates, only, candidates].some((choice) => choice !== undefined)

/** The candidates that are measured at every number of connections. */
const compared = /^(ours|obvious|obvious with logs|nest)$/

/** Whether this run measures this candidate. */
export const isChosen =
  (settings: Settings, scenario: Pick<Scenario, 'thorough'>, connections: number) => (name: string) => {
    if (settings.candidates !== undefined) return settings.candidates.test(name)
    if (name === 'ours, 2 workers') return scenario.thorough === true && connections === usualConnections
    return connections === usualConnections || compared.test(name)
  }

/** The numbers of connections at which this run measures a scenario. */
export const countsOf = (
  { connections }: Settings,
  { thorough }: Pick<Scenario, 'thorough'>,
): readonly number[] => connections ?? (thorough ? [usualConnections, 1, 8, 256] : [usualConnections])
