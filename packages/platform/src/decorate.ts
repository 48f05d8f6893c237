/** Functions of a port, by name. */
export type AsyncFunctions = Readonly<Record<string, (...input: never[]) => Promise<unknown>>>
type Decorator = (name: string, call: () => Promise<unknown>) => Promise<unknown>

/** The same functions, each call of them passed through `around` together with the function's name. */
export const decorate = <Functions extends AsyncFunctions>(
  functions: Functions,
  around: Decorator,
): Functions =>
  // Same keys and same signatures: `around` may only watch, or change an error.
  Object.fromEntries(
    Object.entries(functions).map(([name, call]) => [
      name,
      (...input: never[]) => around(name, () => call(...input)),
    ]),
  ) as Functions
