type Color = 'green' | 'yellow' | 'orange' | 'red'

/** How a stat panel shows its values. */
export type Look = Readonly<{
  colorMode: 'background' | 'none'
  graphMode: 'area' | 'none'
  /** `auto` shows names only if there are several values. */
  textMode: 'auto' | 'name' | 'value_and_name'
  /** The color from each value on; the first value is the lowest. */
  steps: readonly (readonly [from: number | null, color: Color])[]
  /** Texts that replace values. */
  texts?: Readonly<Record<string, string>>
  /** The text if there is no value. */
  noValue?: string
}>

/** An amount, which is neither good nor bad. */
export const amount: Look = {
  colorMode: 'none',
  graphMode: 'area',
  textMode: 'auto',
  steps: [[null, 'green']],
}

const colored = { colorMode: 'background', graphMode: 'none', textMode: 'value_and_name' } as const

/** 1 or 0, as a word, with the name of what it belongs to. */
export const state = (one: string, zero: string): Look => ({
  ...colored,
  steps: [
    [null, 'red'],
    [1, 'green'],
  ],
  texts: { 0: zero, 1: one },
})

/** Values with their names, whose color changes at these limits. */
export const limits = (...steps: Look['steps']): Look => ({ ...colored, steps })

/** Names only, such as versions. */
export const names: Look = {
  ...colored,
  colorMode: 'none',
  textMode: 'name',
  steps: [[null, 'green']],
}

/** The names of alerts: 1 is a ticket, 2 a page. */
export const alertNames: Look = {
  ...colored,
  textMode: 'name',
  steps: [
    [null, 'green'],
    [1, 'orange'],
    [2, 'red'],
  ],
  noValue: 'none',
}

/** The members of Grafana's `fieldConfig.defaults` and `options` for this look. */
export const lookJson = ({ steps, texts, noValue, ...modes }: Look) => ({
  defaults: {
    color: { mode: 'thresholds' },
    thresholds: { mode: 'absolute', steps: steps.map(([value, color]) => ({ value, color })) },
    mappings:
      texts === undefined
        ? []
        : [
            {
              type: 'value',
              options: Object.fromEntries(
                Object.entries(texts).map(([value, text], index) => [value, { text, index }]),
              ),
            },
          ],
    ...(noValue !== undefined && { noValue }),
  },
  options: { reduceOptions: { calcs: ['lastNotNull'] }, ...modes },
})
