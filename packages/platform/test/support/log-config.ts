import type { LogConfig } from '../../src/logging/logger.ts'

/** JSON in a file of the folder, from `info` on, unless something else is said. */
export const fileConfig = (folder: string, config: Partial<LogConfig> = {}): LogConfig => ({
  level: 'info',
  format: 'json',
  output: 'file',
  folder,
  file: 'shop.log',
  secrets: [],
  ...config,
})
