/** The catalog as users of NestJS write it: a repository of TypeORM, with request logs and metrics. */

import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import { Module } from '@nestjs/common'
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core'
import { TypeOrmModule } from '@nestjs/typeorm'
import { Logger, LoggerModule } from 'nestjs-pino'
import pino from 'pino'
import { MetricsController, MetricsInterceptor } from './metrics.ts'
import { Product } from './product.ts'
import { ProductsController } from './products.controller.ts'
import { ProductsService } from './products.service.ts'

const env = process.env as Record<'DATABASE_URL' | 'LOG_FILE' | 'PORT', string>

@Module({
  imports: [
    LoggerModule.forRoot({
      pinoHttp: [
        { level: 'info', genReqId: () => randomUUID() },
        pino.destination({ dest: env.LOG_FILE, sync: false }),
      ],
    }),
    TypeOrmModule.forRoot({ type: 'postgres', url: env.DATABASE_URL, entities: [Product] }),
    TypeOrmModule.forFeature([Product]),
  ],
  controllers: [ProductsController, MetricsController],
  providers: [ProductsService, { provide: APP_INTERCEPTOR, useClass: MetricsInterceptor }],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { bufferLogs: true })
app.useLogger(app.get(Logger))
app.enableShutdownHooks()
await app.listen(Number(env.PORT), '127.0.0.1')
