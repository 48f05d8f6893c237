import type { AdapterOptions, Adapters } from '@shop/platform/process/run-service.ts'
import type { Ports } from '../domain/ports.ts'
import { type EmbeddedConfig, openEmbeddedAdapters } from './embedded-adapters.ts'
import { openServerAdapters, type ServerConfig } from './server-adapters.ts'

export type StorageConfig = EmbeddedConfig | ServerConfig

/**
 * Opens the configured storage, and measures it if metrics are given. While a database server is unavailable,
 * the service runs but is not ready.
 */
export const openAdapters = async (
  options: AdapterOptions<Readonly<{ storage: StorageConfig }>>,
): Promise<Adapters<Ports>> => {
  const { storage } = options.config
  return storage.kind === 'postgres'
    ? openServerAdapters(storage, options)
    : openEmbeddedAdapters(storage, options)
}
