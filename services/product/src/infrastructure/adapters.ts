import type { Adapters, Opening } from '@shop/platform/process/run-service.ts'
import type { Ports } from '../domain/ports.ts'
import { type EmbeddedConfig, openEmbedded } from './embedded-adapters.ts'
import { openServer, type ServerConfig } from './server-adapters.ts'

export type StorageConfig = EmbeddedConfig | ServerConfig

/**
 * Opens what the configuration names, measured when there are metrics. A server may come later: until then the service
 * runs, and is not ready.
 */
export const openAdapters = async (
  opening: Opening<Readonly<{ storage: StorageConfig }>>,
): Promise<Adapters<Ports>> => {
  const { storage } = opening.config
  return storage.kind === 'postgres' ? openServer(storage, opening) : openEmbedded(storage, opening)
}
