import { newProduct, type ProductFields } from '../domain/product.ts'
import { byId, type ProductReader } from '../domain/product-reader.ts'
import type { ProductRepository } from '../domain/product-repository.ts'

const samples: readonly ProductFields[] = [
  {
    name: '1984',
    description: 'A novel by George Orwell',
    price: 14_99n,
    stock: 75,
    category: 'Books',
    groupId: null,
  },
  {
    name: 'The Hobbit',
    description: 'A novel by J. R. R. Tolkien',
    price: 16_50n,
    stock: 40,
    category: 'Books',
    groupId: null,
  },
  {
    name: 'Laptop',
    description: '14 inch, 32 GB of memory',
    price: 1_299_00n,
    stock: 12,
    category: 'Electronics',
    groupId: null,
  },
  {
    name: 'Smartphone',
    description: '6.1 inch, 256 GB',
    price: 799_00n,
    stock: 25,
    category: 'Electronics',
    groupId: null,
  },
  {
    name: 'Headphones',
    description: 'Wireless, noise cancelling',
    price: 249_95n,
    stock: 8,
    category: 'Electronics',
    groupId: null,
  },
  {
    name: 'Coffee Maker',
    description: 'Drip, 1.2 litres',
    price: 79_90n,
    stock: 30,
    category: 'Home',
    groupId: null,
  },
  {
    name: 'Desk Lamp',
    description: 'LED, dimmable',
    price: 34_50n,
    stock: 1,
    category: 'Home',
    groupId: null,
  },
  {
    name: 'Running Shoes',
    description: 'Neutral, for the road',
    price: 119_00n,
    stock: 18,
    category: 'Sports',
    groupId: null,
  },
  {
    name: 'Yoga Mat',
    description: 'Natural rubber, 4 mm',
    price: 45_00n,
    stock: 60,
    category: 'Sports',
    groupId: null,
  },
  {
    name: 'T-Shirt',
    description: 'Organic cotton',
    price: 19_90n,
    stock: 200,
    category: 'Clothing',
    groupId: null,
  },
]

/** Adds ten sample products to an empty catalog. Resolves with the number added. */
export const seedSamples = async (
  products: Pick<ProductRepository, 'add'>,
  reader: Pick<ProductReader, 'list'>,
): Promise<number> => {
  const { products: first } = await reader.list({ sort: byId, limit: 1 })
  if (first.length > 0) return 0
  for (const sample of samples) await products.add(newProduct(sample))
  return samples.length
}
