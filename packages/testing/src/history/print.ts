import type { Operation } from './history.ts'

/** How rows show what was asked and answered. */
export type Texts<Input, Output> = Readonly<{
  inputText: (input: Input) => string
  outputText: (output: Output) => string
}>

const barWidth = 40

/** The operation's time as a bar: places go by the order of calls and returns, so that every overlap can be seen. */
const bar = (begin: number, end: number, times: readonly number[]): string => {
  const column = (time: number) =>
    Math.round((times.indexOf(time) / Math.max(times.length - 1, 1)) * (barWidth - 1))
  const from = column(begin)
  if (end === Infinity) return `${' '.repeat(from)}├${'─'.repeat(barWidth - from - 1)}…`
  return `${' '.repeat(from)}├${'─'.repeat(Math.max(column(end) - from - 1, 0))}┤`
}

const table = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return rows.map(line).join('\n')
}

export const timeText = (value: number): string =>
  value === Infinity ? '…' : Number.isInteger(value) ? String(value) : value.toFixed(3)

/** A history as a table in the order of the calls: times, client, what was asked and answered, and a bar for each operation. */
export const printed = <Input, Output>(
  operations: readonly Operation<Input, Output>[],
  { inputText, outputText }: Texts<Input, Output>,
): string => {
  const ordered = operations.toSorted((a, b) => a.begin - b.begin)
  const finite = ordered.flatMap(({ begin, end }) => (end === Infinity ? [begin] : [begin, end]))
  const times = [...new Set(finite)].toSorted((a, b) => a - b)
  const rows = ordered.map(({ client, input, output, begin, end }) => [
    timeText(begin),
    timeText(end),
    String(client),
    inputText(input),
    output === undefined ? 'unknown' : outputText(output),
    bar(begin, end, times),
  ])
  return table([['begin', 'end', 'client', 'asked', 'answered', 'time'], ...rows])
}
