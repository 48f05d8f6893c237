import type { ProductSort, SortKey } from '../domain/product-reader.ts'

/** The name of each sort key in the API. */
const words = {
  id: 'id',
  price: 'price',
  stock: 'stock',
  name: 'name',
  createdAt: 'created_at',
} as const satisfies Record<SortKey, string>

type Word = (typeof words)[SortKey]
export type SortWord = Word | `-${Word}`

/** The name of a sort in the API. A leading minus means descending. */
export const sortWord = ({ by, descending }: ProductSort): SortWord =>
  descending ? `-${words[by]}` : words[by]

const sorts = new Map<SortWord, ProductSort>(
  (Object.keys(words) as SortKey[])
    .flatMap((by) => [
      { by, descending: false },
      { by, descending: true },
    ])
    .map((sort) => [sortWord(sort), sort]),
)

export const sortWords: SortWord[] = [...sorts.keys()]

/** The inverse of `sortWord`. */
export const sortOf = (word: SortWord): ProductSort => {
  const sort = sorts.get(word)
  if (sort === undefined) throw new Error(`unknown sort: ${word}`)
  return sort
}
