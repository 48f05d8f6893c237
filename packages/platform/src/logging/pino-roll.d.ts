// The package has no types; these are the options in use.
declare module 'pino-roll' {
  import type { DestinationStream } from 'pino'

  const build: (options: {
    file: string
    size: string
    limit: { count: number; removeOtherLogFiles: boolean }
    mkdir: boolean
    sync: boolean
    mode: number
    maxLength: number
  }) => Promise<DestinationStream & NodeJS.WritableStream & { file: string; reopen: () => void }>
  export default build
}
