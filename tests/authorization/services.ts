import { unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import type { Identity } from '@shop/platform/auth/identity.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp as createBasketApp } from '../../services/basket/src/app.ts'
import { openPorts } from '../../services/basket/test/support/ports.ts'
import { openApp as openProductApp } from '../../services/product/test/support/store.ts'

const user = (subject: string, ...scopes: string[]): Principal => ({
  kind: 'user',
  subject,
  scopes: new Set(scopes),
})

/** Who has which credentials. `owner` is the user of the basket in the examples. */
const principals: Readonly<Record<string, Principal>> = {
  owner: user('user123'),
  stranger: user('eve'),
  editor: user('ed', 'products:write'),
  office: { kind: 'machine', name: 'office', scopes: new Set(['products:write', 'baskets:any']) },
}

const identity: Identity = {
  identify: (authorization) => {
    if (authorization === undefined) return anonymous
    const principal = principals[authorization.replace('Bearer ', '')]
    if (principal === undefined) throw unauthenticated('the credentials are not valid')
    return principal
  },
  jobs: [],
  dependencies: [],
}

/** Opens both services, which ask who calls. Neither listens. */
export const openServices = async () => {
  const stack = new AsyncDisposableStack()
  const product = stack.use(await openProductApp({ identity }))
  const { ports } = stack.use(
    await openPorts(async (id) => ({ id, name: '1984', price: 14_99n, stock: 75, category: 'Books' })),
  )
  const basket = stack.use(
    await createBasketApp({ ports, dependencies: [] }, silentLogger, undefined, { identity }),
  )
  return { product, basket, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

export type Services = Awaited<ReturnType<typeof openServices>>
