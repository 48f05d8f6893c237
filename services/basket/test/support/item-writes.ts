import type { App, HttpResponse } from './http.ts'

type Basket = ReturnType<App['newUserBasket']>

/** The writes of the items of a basket that has product 1. */
export const itemWrites: Readonly<
  Record<string, (basket: Basket, headers: Record<string, string>) => Promise<HttpResponse>>
> = {
  'POST of an item': (basket, headers) => basket.add(2, 1, headers),
  'POST of several items': (basket, headers) =>
    basket.addSeveral(
      [
        [1, 1],
        [2, 1],
      ],
      headers,
    ),
  'PATCH of several items': (basket, headers) =>
    basket.setSeveral(
      [
        [1, 0],
        [2, 1],
      ],
      headers,
    ),
  'PUT of an item': (basket, headers) => basket.set(1, 5, headers),
  'PUT of quantity 0': (basket, headers) => basket.set(1, 0, headers),
  'DELETE of an item': (basket, headers) => basket.remove(1, headers),
  'DELETE of all items': (basket, headers) => basket.clear(headers),
}
