import type { ProductState } from '../../domain/product.ts'

/** The strong ETag of a product. The version suffices, because the id is in the path. */
export const productTag = ({ version }: ProductState): string => `"${version}"`

/** The inverse of `productTag`. Returns `undefined` for a tag that no product can have. */
export const stateOfTag = (tag: string): ProductState | undefined => {
  const [, version] = /^"([1-9]\d{0,9})"$/.exec(tag) ?? []
  return version === undefined ? undefined : { version: Number(version) }
}
