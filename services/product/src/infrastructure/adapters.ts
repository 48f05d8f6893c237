import type { AdapterOptions, Adapters } from '@shop/platform/process/run-service.ts'
import type { Ports } from '../domain/ports.ts'
import { type EmbeddedConfig, openEmbeddedAdapters } from './embedded-adapters.ts'
import { openServerAdapters, type ServerConfig } from './server-adapters.ts'

export type StorageConfig = EmbeddedConfig | ServerConfig

/**
 * Opens what the configuration names, measured when there are metrics. A server may come later: until then the service
 * runs, and is not ready.
 */
export const openAdapters = async (
  opening: AdapterOptions<Readonly<{ storage: StorageConfig }>>,
): Promise<Adapters<Ports>> => {
  const { storage } = opening.config
  return storage.kind === 'postgres'
    ? openServerAdapters(storage, opening)
    : openEmbeddedAdapters(storage, opening)
}
