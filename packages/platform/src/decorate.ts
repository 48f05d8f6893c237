/** Functions of a port, by name. */
export type AsyncFunctions = Readonly<Record<string, (...input: never[]) => Promise<unknown>>>
/** Must settle with the result of `call` unchanged, or throw: the error of `call` or another one. */
type Decorator = (name: string, call: () => Promise<unknown>) => Promise<unknown>

/** Returns the same functions, with every call passed through `around` together with the function's name. */
export const decorate = <Functions extends AsyncFunctions>(
  functions: Functions,
  around: Decorator,
): Functions =>
  // The result has the same keys and signatures, because a decorator keeps the results.
  Object.fromEntries(
    Object.entries(functions).map(([name, call]) => [
      name,
      (...input: never[]) => around(name, () => call(...input)),
    ]),
  ) as Functions
