import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context } from '@shop/kernel/context.ts'
import { AppError } from '@shop/kernel/errors.ts'
import type { Step } from '@shop/platform/pipeline.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp } from '../../src/app.ts'
import { useCases } from '../../src/application/use-cases.ts'
import { aProduct } from '../support/baskets.ts'
import { assertProblem, basketIn, basketOf, notFound, send } from '../support/http.ts'
import { openPorts } from '../support/ports.ts'

const openWithStep = async (step: Step) => {
  const stack = new AsyncDisposableStack()
  const { ports } = stack.use(await openPorts(async (id) => aProduct({ id })))
  const http = { trustProxy: 'loopback' }
  const app = await createApp({ ports, dependencies: [] }, silentLogger, undefined, { http, steps: [step] })
  stack.use(app)
  return {
    ports,
    http: app.http,
    jobs: app.jobs,
    basket: basketOf(app.http, 'user123'),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test('a step sees every use case, with the request id and client of the HTTP request, or with the system context', async () => {
  const seen = new Map<string, Omit<Context, 'signal'>>()
  await using app = await openWithStep((use, name) => (input, context) => {
    const { signal: _, ...fields } = context
    seen.set(name, fields)
    return use(input, context)
  })
  const { basket } = app
  const client = '198.51.100.7'
  const requests = {
    createBasket: basket.create,
    createGuestBasket: (headers: Record<string, string>) =>
      send(app.http, 'POST', '/baskets', { guest: true }, headers),
    addItem: (headers: Record<string, string>) => basket.add(1, 1, headers),
    addItems: (headers: Record<string, string>) => basket.addSeveral([[1, 1]], headers),
    setQuantities: (headers: Record<string, string>) => basket.setSeveral([[1, 2]], headers),
    setQuantity: (headers: Record<string, string>) => basket.set(1, 2, headers),
    removeItem: (headers: Record<string, string>) => basket.remove(1, headers),
    clearBasket: basket.clear,
    getBasket: basket.get,
    deleteBasket: basket.delete,
  }
  for (const [name, request] of Object.entries(requests))
    assert.ok(
      (await request({ 'x-request-id': `to-${name}`, 'x-forwarded-for': client })).statusCode < 300,
      name,
    )
  for (const { work } of app.jobs) await work(AbortSignal.abort())
  await send(app.http, 'GET', '/metrics')

  const { commands, queries } = useCases(app.ports)
  assert.deepEqual(new Set(seen.keys()), new Set(Object.keys({ ...commands, ...queries })))
  for (const name of Object.keys(requests))
    assert.deepEqual(seen.get(name), {
      requestId: `to-${name}`,
      principal: { kind: 'unrestricted' },
      client,
      allowance: undefined,
    })
  const system = { kind: 'system' }
  assert.deepEqual(seen.get('removeExpiredBaskets'), { requestId: 'expired-baskets', principal: system })
  assert.deepEqual(seen.get('basketStatistics'), { requestId: 'basket-statistics', principal: system })
})

test('a step can reject a call before the use case runs', async () => {
  await using app = await openWithStep((use, name) => async (input, context) => {
    if (name === 'addItem') throw new AppError('forbidden', 'not allowed')
    return use(input, context)
  })
  assertProblem(await app.basket.add(1, 1), { status: 403, code: 'forbidden' })
  assertProblem(await app.basket.get(), notFound)
  basketIn(await app.basket.create(), 201)
})
