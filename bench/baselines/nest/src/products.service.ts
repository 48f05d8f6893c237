import { Injectable, NotFoundException } from '@nestjs/common'
import { InjectRepository } from '@nestjs/typeorm'
import { LessThanOrEqual, Repository } from 'typeorm'
import { Product } from './product.ts'

type Fields = Pick<Product, 'name' | 'description' | 'price' | 'stock' | 'category'>

const list = (products: Product[]) => ({ products, count: products.length, next_cursor: null })

@Injectable()
export class ProductsService {
  constructor(@InjectRepository(Product) private readonly products: Repository<Product>) {}

  async findOne(id: number) {
    const product = await this.products.findOneBy({ id })
    if (!product) throw new NotFoundException()
    return product
  }

  async findAll(take: number) {
    return list(await this.products.find({ order: { id: 'ASC' }, take }))
  }

  async findMostExpensive(take: number) {
    return list(await this.products.find({ order: { price: 'DESC', id: 'DESC' }, take }))
  }

  async findLowStock(stock: number, take: number) {
    const where = { stock: LessThanOrEqual(stock) }
    return list(await this.products.find({ where, order: { stock: 'ASC', id: 'ASC' }, take }))
  }

  async findByCategory(category: string, take: number) {
    return list(await this.products.find({ where: { category }, order: { id: 'ASC' }, take }))
  }

  create(fields: Fields) {
    return this.products.save(this.products.create(fields))
  }

  async update(id: number, fields: Fields) {
    const product = await this.products.preload({ id, ...fields })
    if (!product) throw new NotFoundException()
    return this.products.save(product)
  }
}
