import type { Principal } from '@shop/kernel/principal.ts'

type Unchecked<Checked> = Readonly<{ check: () => Checked }>

/** Returns a function that also runs the check of credentials that are not known. */
export const checked =
  <Checked extends Principal | Promise<Principal>>(
    find: (credentials: string) => Principal | Unchecked<Checked>,
  ) =>
  (credentials: string): Principal | Checked => {
    const found: Principal | Unchecked<Checked> = find(credentials)
    return 'check' in found ? found.check() : found
  }
