import type { ProductSort } from '../../src/domain/product-reader.ts'
import type { SortWord } from '../../src/interfaces/sort-words.ts'

/** Every sort by the word that clients use for it. Written by hand: do not derive it from the service. */
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
export const allSorts: readonly ProductSort[] = Object.values(sorts)
