import type { LogConfig } from '../../src/logging/logger.ts'

/** Logs JSON to a file in the folder, from level `info`, unless `config` overrides it. */
export const fileConfig = (folder: string, config: Partial<LogConfig> = {}): LogConfig => ({
  level: 'info',
  format: 'json',
  output: 'file',
  folder,
  file: 'shop.log',
  secrets: [],
  ...config,
})
