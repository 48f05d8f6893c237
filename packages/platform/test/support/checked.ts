import type { Principal } from '@shop/kernel/principal.ts'

/** Returns a function that also runs the check of credentials that are not known. */
export const checked =
  <Result extends Principal | Promise<Principal>>(
    find: (credentials: string) => Principal | (() => Result),
  ) =>
  (credentials: string): Principal | Result => {
    const found: Principal | (() => Result) = find(credentials)
    return typeof found === 'function' ? found() : found
  }
