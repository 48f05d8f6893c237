import { openTokenFile, type TokenFileConfig } from '@shop/platform/auth/token-file.ts'
import { connectionsTo } from '@shop/platform/grpc/connecting/client-tls.ts'
import type { TlsVariables } from '@shop/platform/grpc/connecting/handshake-failures.ts'
import type { Job } from '@shop/platform/job.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import type { ClientFilesConfig } from '@shop/platform/tls/client-certificates.ts'
import { openClientFiles } from '@shop/platform/tls/client-files.ts'
import { exposeExpiry } from '@shop/platform/tls/metrics.ts'
import { grpcProductCatalog } from './grpc-product-catalog.ts'

export type ProductServiceConfig = Readonly<{
  /** In one of the forms that `grpcAddress` allows. */
  address: string
  /** The files with the API key or token for the product service; undefined if it asks for none. */
  token?: TokenFileConfig | undefined
  /** Undefined if the address is one without TLS. */
  tls?:
    | Readonly<{
        /** The variables to which messages refer. */
        variables: TlsVariables
        files: ClientFilesConfig
      }>
    | undefined
}>

type Observers = Readonly<{ logger: Logger; metrics?: Metrics | undefined }>

/** Opens the files, if there are any. */
const openTls = (
  { files: config, variables }: NonNullable<ProductServiceConfig['tls']>,
  { logger, metrics }: Observers,
) => {
  if (config.ca === undefined && config.own === undefined) return { variables, logger, files: undefined }
  const files = openClientFiles(config, logger)
  if (metrics !== undefined && config.own !== undefined)
    exposeExpiry(metrics.registry, 'product_service_client', () => files.current().own?.validTo ?? Number.NaN)
  return { variables, logger, files }
}

/** Opens the product catalog, whose prices must have this currency, with the credentials in the files. Its jobs read the files again. */
export const openProductService = (
  { address, token: tokenConfig, tls: tlsConfig }: ProductServiceConfig,
  currency: string,
  { logger, metrics }: Observers,
) => {
  const token = tokenConfig && openTokenFile(tokenConfig, logger)
  const tls = tlsConfig && openTls(tlsConfig, { logger, metrics })
  const jobs: readonly Job[] = [token?.job, tls?.files?.job].filter((job) => job !== undefined)
  const connections = connectionsTo(address, tls)
  return {
    catalog: grpcProductCatalog(address, { currency, metrics, token: token?.token, connections }),
    jobs,
  }
}
