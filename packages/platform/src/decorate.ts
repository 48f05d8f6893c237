/** Functions of a port, by name. */
export type AsyncFunctions = Readonly<Record<string, (...input: never[]) => Promise<unknown>>>
type Decorator = (name: string, call: () => Promise<unknown>) => Promise<unknown>

/** Returns the same functions, with every call passed through `around` together with the function's name. */
export const decorate = <Functions extends AsyncFunctions>(
  functions: Functions,
  around: Decorator,
): Functions =>
  // The result has the same keys and signatures: `around` may only observe the call or replace its error.
  Object.fromEntries(
    Object.entries(functions).map(([name, call]) => [
      name,
      (...input: never[]) => around(name, () => call(...input)),
    ]),
  ) as Functions
