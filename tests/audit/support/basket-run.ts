import assert from 'node:assert/strict'
import { type Caller, createVersions, type Ending, lineOf, randomOf, refused, replayed } from './model.ts'
import { type Line, pseudonymOf, type Services } from './services.ts'

type Operation = Readonly<{
  useCase: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  payload?: object
}>

const operations: readonly Operation[] = [
  { useCase: 'addItem', method: 'POST', path: '/items', payload: { product_id: 1, quantity: 1 } },
  {
    useCase: 'addItems',
    method: 'POST',
    path: '/items',
    payload: { items: [{ product_id: 1, quantity: 1 }] },
  },
  {
    useCase: 'setQuantities',
    method: 'PATCH',
    path: '/items',
    payload: { items: [{ product_id: 1, quantity: 9 }] },
  },
  { useCase: 'setQuantity', method: 'PUT', path: '/items/1', payload: { quantity: 9 } },
  { useCase: 'clearBasket', method: 'DELETE', path: '/items' },
  { useCase: 'deleteBasket', method: 'DELETE', path: '' },
  { useCase: 'getBasket', method: 'GET', path: '' },
]

/** Sends random requests about baskets of users and guests. Resolves with the lines that must be written. */
export const runBaskets = async ({ basket }: Services, seed: number, count: number): Promise<Line[]> => {
  const { next, pick } = randomOf(seed)
  const versions = createVersions<string>()
  const pieces = new Map<string, number>()
  const guests: string[] = []
  const expected: Line[] = []

  const send = async (
    caller: Caller,
    { method, path, payload }: Omit<Operation, 'useCase'>,
    headers: object,
  ) =>
    basket.http.inject({
      method,
      url: path,
      headers: { ...(caller !== undefined && { authorization: `Bearer ${caller}` }), ...headers },
      ...(payload && { payload }),
    })

  /** What an operation that is allowed must lead to. */
  const endingOf = (useCase: string, owner: string): Ending => {
    const version_before = versions.before(owner)
    const has = pieces.get(owner) ?? 0
    const isGuest = owner.startsWith('guest:')
    if (useCase === 'setQuantities') {
      if (version_before === null && isGuest) return { outcome: 'failed', code: 'not_found' }
      return { outcome: 'failed', code: 'insufficient_stock', version_before }
    }
    if (useCase === 'addItem' || useCase === 'addItems') {
      // The basket of a guest is asked for first, which is no write.
      if (version_before === null && isGuest) return { outcome: 'failed', code: 'not_found' }
      if (has >= 2) return { outcome: 'failed', code: 'insufficient_stock', version_before }
      pieces.set(owner, has + 1)
      return versions.write(owner, undefined, 'create')
    }
    if (useCase === 'setQuantity') {
      if (version_before === null && isGuest) return { outcome: 'failed', code: 'not_found' }
      if (version_before === null || has === 0)
        return { outcome: 'failed', code: 'not_found', version_before }
      return { outcome: 'failed', code: 'insufficient_stock', version_before }
    }
    if (version_before !== null) pieces.delete(owner)
    return versions.write(owner, undefined, useCase === 'deleteBasket' ? 'remove' : 'change')
  }

  const createGuest = async (requestId: string): Promise<void> => {
    const response = await send(
      undefined,
      { method: 'POST', path: '/baskets', payload: { guest: true } },
      { 'x-request-id': requestId },
    )
    const { user_id: id } = response.json()
    guests.push(id)
    const target = { type: 'basket', owner: pseudonymOf(id) }
    const ending = versions.write(id, undefined, 'create')
    expected.push(lineOf('createGuestBasket', undefined, target, requestId, ending))
  }

  const createOwn = async (requestId: string): Promise<void> => {
    const isThere = versions.before('ann')
    await send(
      'ann',
      { method: 'POST', path: '/baskets', payload: { user_id: 'ann' } },
      { 'x-request-id': requestId },
    )
    const ending: Ending =
      isThere === null
        ? versions.write('ann', undefined, 'create')
        : { outcome: 'unchanged', version_before: isThere, version_after: isThere }
    expected.push(
      lineOf('createBasket', 'ann', { type: 'basket', owner: pseudonymOf('ann') }, requestId, ending),
    )
  }

  /** Repeats a write that was applied, with its idempotency key. */
  const repeat = async (
    caller: Caller,
    operation: Operation,
    target: Line,
    requestId: string,
  ): Promise<void> => {
    const again = `${requestId}-again`
    const response = await send(caller, operation, { 'x-request-id': again, 'idempotency-key': requestId })
    assert.equal(response.headers['idempotent-replayed'], 'true', response.body)
    expected.push(lineOf(operation.useCase, caller, target, again, replayed))
  }

  for (let step = 0; step < count; step++) {
    const requestId = `basket-${step}`
    const choice = next()
    if (choice < 0.05) await createGuest(requestId)
    else if (choice < 0.1) await createOwn(requestId)
    else {
      const caller = pick<Caller>(['ann', 'ben', 'office', undefined])
      const owner = pick(['ann', 'ben', ...guests.slice(-2), 'guest:AAAAAAAAAAAAAAAAAAAAAA'])
      const chosen = pick(operations)
      const operation = { ...chosen, path: `/baskets/${owner}${chosen.path}` }
      const isAllowed = owner.startsWith('guest:') || caller === owner || caller === 'office'
      await send(caller, operation, { 'x-request-id': requestId, 'idempotency-key': requestId })
      // A read that is allowed is no line.
      if (isAllowed && operation.useCase === 'getBasket') continue
      const ending = isAllowed ? endingOf(operation.useCase, owner) : refused(caller)
      const target = { type: 'basket', owner: pseudonymOf(owner) }
      expected.push(lineOf(operation.useCase, caller, target, requestId, ending))
      if (ending.outcome === 'applied' && operation.useCase !== 'deleteBasket')
        await repeat(caller, operation, target, requestId)
    }
  }
  return expected
}
