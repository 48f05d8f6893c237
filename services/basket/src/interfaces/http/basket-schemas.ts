import { reference } from '@shop/platform/http/openapi.ts'
import { problems } from '@shop/platform/http/problem.ts'
import { Type } from 'typebox'
import { BasketJson, NewBasketBody, ProductId, UserId } from './basket-json.ts'
import { AddItemBody, QuantityBody, SetItemsBody } from './item-bodies.ts'

const tags = ['baskets']
const Basket = reference(BasketJson, 'The current basket')
const UserParams = Type.Object({ user_id: UserId })
const LineParams = Type.Object({ user_id: UserId, product_id: ProductId })

const deletionProblems = problems(400, 404, 412, 413, 415, 503)
/** Operations with 422 take an idempotency key. */
const removalProblems = problems(400, 404, 412, 413, 415, 422, 503)
const changeProblems = problems(400, 404, 409, 412, 413, 415, 422, 503)

/** Schemas of requests and responses, used for validation, serialization and the OpenAPI document. */
export const schemas = {
  getBasket: {
    operationId: 'getBasket',
    summary: "Get a user's basket; 304 when If-None-Match matches its ETag",
    tags,
    params: UserParams,
    response: { 200: Basket, 304: Type.Null({ description: 'Unchanged' }), ...problems(400, 404, 503) },
  },
  createBasket: {
    operationId: 'createBasket',
    summary:
      'Create a basket for a user, or return the existing one unchanged; or create that of a new guest',
    tags,
    body: NewBasketBody,
    response: { 200: Basket, 201: Basket, ...removalProblems },
  },
  addItem: {
    operationId: 'addItem',
    summary:
      'Add a product or several, or increase their quantities; creates the basket of a user who has none',
    tags,
    params: UserParams,
    body: AddItemBody,
    response: { 200: Basket, ...changeProblems },
  },
  setQuantities: {
    operationId: 'setQuantities',
    summary: 'Set the quantities of several products; 0 removes; creates the basket of a user who has none',
    tags,
    params: UserParams,
    body: SetItemsBody,
    response: { 200: Basket, ...changeProblems },
  },
  setQuantity: {
    operationId: 'setQuantity',
    summary: 'Set the quantity of a line; 0 removes it',
    tags,
    params: LineParams,
    body: QuantityBody,
    response: { 200: Basket, ...changeProblems },
  },
  removeItem: {
    operationId: 'removeItem',
    summary: 'Remove a line',
    tags,
    params: LineParams,
    response: { 200: Basket, ...removalProblems },
  },
  clearBasket: {
    operationId: 'clearBasket',
    summary: 'Remove every line and keep the basket',
    tags,
    params: UserParams,
    response: { 200: Basket, ...removalProblems },
  },
  deleteBasket: {
    operationId: 'deleteBasket',
    summary: 'Delete a basket',
    tags,
    params: UserParams,
    response: { 204: Type.Null({ description: 'Deleted' }), ...deletionProblems },
  },
}
