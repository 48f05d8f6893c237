import type { ProductSort } from '../../src/domain/product-reader.ts'
import type { SortWord } from '../../src/interfaces/sort-words.ts'

/** Every sort, under the word that clients have for it. Written by hand; do not take it from the service. */
export const sorts = {
  id: { by: 'id', descending: false },
  '-id': { by: 'id', descending: true },
  price: { by: 'price', descending: false },
  '-price': { by: 'price', descending: true },
  stock: { by: 'stock', descending: false },
  '-stock': { by: 'stock', descending: true },
  name: { by: 'name', descending: false },
  '-name': { by: 'name', descending: true },
  created_at: { by: 'createdAt', descending: false },
  '-created_at': { by: 'createdAt', descending: true },
} as const satisfies Record<SortWord, ProductSort>

export const sortEntries = Object.entries(sorts) as readonly (readonly [SortWord, ProductSort])[]
export const everySort: readonly ProductSort[] = Object.values(sorts)
