import {
  type CallHandler,
  Controller,
  type ExecutionContext,
  Get,
  Header,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common'
import { collectDefaultMetrics, Histogram, register } from 'prom-client'
import { finalize, type Observable } from 'rxjs'

collectDefaultMetrics()

const duration = new Histogram({
  name: 'http_request_duration_seconds',
  help: 'Duration of HTTP requests.',
  labelNames: ['method', 'route', 'status'],
})

@Injectable()
export class MetricsInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const end = duration.startTimer()
    const request = context.switchToHttp().getRequest()
    const response = context.switchToHttp().getResponse()
    return next
      .handle()
      .pipe(
        finalize(() =>
          end({ method: request.method, route: request.route.path, status: response.statusCode }),
        ),
      )
  }
}

@Controller('metrics')
export class MetricsController {
  @Get()
  @Header('content-type', register.contentType)
  metrics() {
    return register.metrics()
  }
}
