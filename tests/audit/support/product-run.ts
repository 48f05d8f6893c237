import { credentials, Metadata } from '@grpc/grpc-js'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import { type Caller, createVersions, type Ending, lineOf, randomOf, refused } from './model.ts'
import type { Line, Services } from './services.ts'

type Ask = Readonly<{ caller: Caller; id: number; version: number | undefined; requestId: string }>

const fields = { name: 'Lamp', description: '', price: 1, stock: 1, category: '' }

/** Writes over HTTP. Resolves with the body. */
const overHttp = ({ product }: Services) => {
  const send = async (
    method: 'POST' | 'PATCH' | 'DELETE' | 'GET',
    url: string,
    ask: Ask,
    payload?: object,
  ) => {
    const response = await product.http.inject({
      method,
      url,
      headers: {
        'x-request-id': ask.requestId,
        ...(ask.caller !== undefined && { authorization: `Bearer ${ask.caller}` }),
        ...(ask.version !== undefined && { 'if-match': `"${ask.version}"` }),
      },
      ...(payload && { payload }),
    })
    return response.body === '' ? {} : response.json()
  }
  return {
    create: (ask: Ask): Promise<{ id?: number }> => send('POST', '/products', ask, fields),
    update: (ask: Ask) => send('PATCH', `/products/${ask.id}`, ask, { price: 2 }),
    remove: (ask: Ask) => send('DELETE', `/products/${ask.id}`, ask),
    read: (ask: Ask) => send('GET', `/products/${ask.id}`, { ...ask, version: undefined }),
  }
}

/** The same over gRPC. */
const overGrpc = (client: ProductServiceClient): ReturnType<typeof overHttp> => {
  const call = async (name: string, ask: Ask, more: object) => {
    const metadata = new Metadata()
    metadata.set('x-request-id', ask.requestId)
    if (ask.caller !== undefined) metadata.set('authorization', `Bearer ${ask.caller}`)
    const { promise, resolve } = Promise.withResolvers<{ product?: { id: number } | undefined }>()
    const method: ProductServiceClient['getProduct'] = Reflect.get(client, name)
    const request = { id: ask.id, version: ask.version ?? 0, requestId: '', ...more } as Parameters<
      typeof method
    >[0]
    const options = { deadline: Date.now() + 20_000 }
    method.call(client, request, metadata, options, (_error, response) => resolve({ ...response }))
    return (await promise).product ?? {}
  }
  return {
    create: (ask) => call('createProduct', ask, fields),
    update: (ask) => call('updateProduct', ask, fields),
    remove: (ask) => call('deleteProduct', ask, {}),
    read: (ask) => call('getProduct', ask, {}),
  }
}

/** Sends random requests about products, over both transports. Resolves with the lines that must be written. */
export const runProducts = async (services: Services, seed: number, count: number): Promise<Line[]> => {
  const { next, pick } = randomOf(seed)
  const client = new ProductServiceClient(
    `127.0.0.1:${await services.product.grpc.listen(0)}`,
    credentials.createInsecure(),
  )
  const doors = [overHttp(services), overGrpc(client)]
  const versions = createVersions<number>()
  const expected: Line[] = []

  const create = async (door: (typeof doors)[number], ask: Ask, isAllowed: boolean): Promise<void> => {
    const { id } = await door.create(ask)
    const ending: Ending =
      isAllowed && id !== undefined ? versions.write(id, undefined, 'create') : refused(ask.caller)
    const target = { type: 'product', ...(isAllowed && { id }) }
    expected.push(lineOf('createProduct', ask.caller, target, ask.requestId, ending))
  }

  for (let step = 0; step < count; step++) {
    const door = pick(doors)
    const caller = pick<Caller>(['editor', 'office', 'editor', 'office', 'ann', undefined])
    const isAllowed = caller === 'editor' || caller === 'office'
    const id = pick([...versions.ids(), 999])
    const version = next() < 0.5 ? undefined : pick([versions.before(id) ?? 1, 77])
    const ask = { caller, id, version, requestId: `product-${step}` }
    const choice = next()
    const target = { type: 'product', id }
    const kind = choice < 0.8 ? 'change' : 'remove'
    if (choice < 0.2) await create(door, { ...ask, version: undefined }, isAllowed)
    else if (choice < 0.3) await door.read(ask)
    else {
      await (kind === 'change' ? door.update(ask) : door.remove(ask))
      const useCase = kind === 'change' ? 'updateProduct' : 'deleteProduct'
      const ending = isAllowed ? versions.write(id, version, kind) : refused(caller)
      expected.push(lineOf(useCase, caller, target, ask.requestId, ending))
    }
  }
  client.close()
  return expected
}
