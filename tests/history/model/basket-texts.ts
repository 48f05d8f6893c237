import type { BasketInput, BasketOutput, Item } from './basket-operation.ts'

const itemText = ({ productId, quantity }: Item): string => `${productId}x${quantity}`
const itemsText = (items: readonly Item[]): string => items.map(itemText).join(' ')

/** `"8e03….4"` as `8e03.4`: the beginning of the id tells baskets apart. */
const tagText = (tag: string): string => tag.replace(/^"(.{1,6})[^.]*\.(\d+)"$/, '$1.$2')

const actionText = (input: BasketInput): string => {
  if ('items' in input) return `${input.kind} ${itemsText(input.items)}`
  if ('quantity' in input) return `${input.kind} ${itemText(input)}`
  return input.kind === 'remove' ? `remove ${input.productId}` : input.kind
}

/** A request in one line: `add 1x2 key=a if=8e03.4`. */
export const inputText = (input: BasketInput): string => {
  const { key, ifMatch, ifNoneMatch } = input
  return [
    actionText(input),
    ...(key === undefined ? [] : [`key=${key}`]),
    ...(ifMatch === undefined ? [] : [`if=${tagText(ifMatch)}`]),
    ...(ifNoneMatch === undefined ? [] : [`ifnot=${tagText(ifNoneMatch)}`]),
  ].join(' ')
}

/** An answer in one line: `200 replayed 8e03.5 [1x2 3x1]`. */
export const outputText = ({ status, code, replayed, etag, lines }: BasketOutput): string =>
  [
    String(status),
    ...(code === undefined ? [] : [code]),
    ...(replayed ? ['replayed'] : []),
    ...(etag === undefined ? [] : [tagText(etag)]),
    ...(lines === undefined ? [] : [`[${itemsText(lines)}]`]),
  ].join(' ')
