// The package has no types; these are the options in use.
declare module 'pino-roll' {
  import type { DestinationStream } from 'pino'

  const build: (options: {
    file: string
    size: string
    limit: { count: number; removeOtherLogFiles: boolean }
    mkdir: boolean
    sync: boolean
    maxLength: number
  }) => Promise<DestinationStream & NodeJS.WritableStream>
  export default build
}
