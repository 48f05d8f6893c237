import {
  Body,
  Controller,
  DefaultValuePipe,
  Get,
  Param,
  ParseIntPipe,
  Post,
  Put,
  Query,
} from '@nestjs/common'
import { Product } from './product.ts'
import { ProductsService } from './products.service.ts'

const limit = [new DefaultValuePipe(100), ParseIntPipe]

@Controller('products')
export class ProductsController {
  constructor(private readonly products: ProductsService) {}

  @Get()
  findAll(@Query('limit', ...limit) take: number) {
    return this.products.findAll(take)
  }

  @Get('top-10')
  findMostExpensive() {
    return this.products.findMostExpensive(10)
  }

  @Get('low-stock-10')
  findLowStock(@Query('limit', ...limit) take: number) {
    return this.products.findLowStock(10, take)
  }

  @Get('category/:category')
  findByCategory(@Param('category') category: string, @Query('limit', ...limit) take: number) {
    return this.products.findByCategory(category, take)
  }

  @Get(':id')
  findOne(@Param('id', ParseIntPipe) id: number) {
    return this.products.findOne(id)
  }

  @Post()
  create(@Body() fields: Product) {
    return this.products.create(fields)
  }

  @Put(':id')
  update(@Param('id', ParseIntPipe) id: number, @Body() fields: Product) {
    return this.products.update(id, fields)
  }
}
