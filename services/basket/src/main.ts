import { useCompileCache } from '@shop/platform/process/compile-cache.ts'

useCompileCache()
await import('./service.ts')
