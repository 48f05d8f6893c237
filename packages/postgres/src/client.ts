import { Client, type ClientConfig } from 'pg'

/** A client that survives a lost connection: without a listener, its `error` event ends the process. */
export class ClientWithErrorHandler extends Client {
  constructor(config?: ClientConfig) {
    super(config)
    this.on('error', () => {})
  }
}
