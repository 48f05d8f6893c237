import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { createApp } from '../../src/app.ts'
import { basketIn, basketOf, type HttpResponse, send } from './http.ts'

type Http = Awaited<ReturnType<typeof createApp>>['http']

export const guestForm = /^guest:[A-Za-z0-9_-]{22}$/

/** An id of the right form that nobody was given. */
export const unknownGuest = (): string => `guest:${randomBytes(16).toString('base64url')}`

/** Creates the basket of a new guest, and returns its id. */
export const createGuest = async (http: Http): Promise<string> =>
  basketIn(await send(http, 'POST', '/baskets', { guest: true }), 201).user_id

/** Every request that names the basket: `segment` is the user id as the path has it. */
export const requestsTo = (http: Http, userId: string, segment = userId) => ({
  get: () => send(http, 'GET', `/baskets/${segment}`),
  create: () => send(http, 'POST', '/baskets', { user_id: userId }),
  add: (productId = 1) =>
    send(http, 'POST', `/baskets/${segment}/items`, { product_id: productId, quantity: 1 }),
  addSeveral: () => basketOf(http, segment).addSeveral([[1, 1]]),
  setSeveral: () =>
    basketOf(http, segment).setSeveral([
      [1, 1],
      [2, 0],
    ]),
  setSeveralToNone: () => basketOf(http, segment).setSeveral([[1, 0]]),
  set: (productId = 1) => send(http, 'PUT', `/baskets/${segment}/items/${productId}`, { quantity: 2 }),
  setToNone: () => send(http, 'PUT', `/baskets/${segment}/items/1`, { quantity: 0 }),
  remove: () => send(http, 'DELETE', `/baskets/${segment}/items/1`),
  clear: () => send(http, 'DELETE', `/baskets/${segment}/items`),
  delete: () => send(http, 'DELETE', `/baskets/${segment}`),
})

/** Asserts that the response says only that there is no such basket, without the id. */
export const assertNoBasket = (response: HttpResponse, instance?: string): void => {
  const { request_id: _, instance: shown, ...problem } = response.json()
  assert.deepEqual(problem, {
    type: 'about:blank',
    title: 'Not Found',
    status: 404,
    code: 'not_found',
    detail: 'basket not found',
  })
  assert.equal(response.statusCode, 404)
  assert.doesNotMatch(shown, /guest|%/i)
  if (instance !== undefined) assert.equal(shown, instance)
}
