import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as tick } from 'node:timers/promises'
import { unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import type { AuditConfig } from '@shop/platform/audit/config.ts'
import type { Identity } from '@shop/platform/auth/identity.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp as createBasketApp } from '../../../services/basket/src/app.ts'
import { openPorts } from '../../../services/basket/test/support/ports.ts'
import { openApp as openProductApp } from '../../../services/product/test/support/store.ts'

const key = 'the key of the tests, of more than 32 bytes'

/** What a text is in the lines: computed as docs/identity.md says. */
export const pseudonymOf = (text: string): string =>
  createHmac('sha256', key).update(text).digest('base64url').slice(0, 22)

/** Each caller's credentials are his name. */
export const principals: Readonly<Record<string, Principal>> = {
  ann: { kind: 'user', subject: 'ann', scopes: new Set() },
  ben: { kind: 'user', subject: 'ben', scopes: new Set() },
  editor: { kind: 'user', subject: 'editor', scopes: new Set(['products:write']) },
  office: { kind: 'machine', name: 'office', scopes: new Set(['products:write', 'baskets:any']) },
}

export const identity: Identity = {
  identify: (authorization) => {
    if (authorization === undefined) return anonymous
    const principal = principals[authorization.replace('Bearer ', '')]
    if (principal === undefined) throw unauthenticated('the credentials are not valid')
    return principal
  },
  jobs: [],
  dependencies: [],
}

export type Line = Readonly<Record<string, unknown>>

/** Opens a folder for an audit log. */
export const openAuditFolder = async () => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'audit-'))
  const configOf = (name: string): AuditConfig => ({ key, file: { folder: folder.path, name } })
  return {
    path: folder.path,
    configOf,
    text: (name: string): string => readFileSync(join(folder.path, name), 'utf8'),
    /** The lines of the file, once those of this turn are written. */
    lines: async (name: string): Promise<Line[]> => {
      await tick()
      const text = readFileSync(join(folder.path, name), 'utf8')
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

/** Both services take the request ids of these tests. */
const trusting = { trustProxy: 'loopback' }

type Folder = Awaited<ReturnType<typeof openAuditFolder>>

/** Opens the basket service, which asks who calls, and has an audit log. Of each product there are two pieces. */
export const openBaskets = async (folder: Folder) => {
  const stack = new AsyncDisposableStack()
  const { ports } = stack.use(
    await openPorts(async (id) => ({ id, name: 'Lamp', price: 1n, stock: 2, category: '' })),
  )
  const options = { identity, http: trusting, audit: folder.configOf('baskets') }
  const basket = stack.use(
    await createBasketApp({ ports, dependencies: [] }, silentLogger, undefined, options),
  )
  return { http: basket.http, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Opens both services. */
export const openServices = async () => {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await openAuditFolder())
  const audit = folder.configOf('products')
  const product = stack.use(await openProductApp({ identity, http: trusting, grpc: trusting, audit }))
  const basket = stack.use(await openBaskets(folder))
  return { product, basket, folder, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

export type Services = Awaited<ReturnType<typeof openServices>>
