import { Client, type ClientConfig } from 'pg'

/** A client that ignores `error` events. Without a listener, a lost connection would end the process. */
export class ClientWithErrorHandler extends Client {
  constructor(config?: ClientConfig) {
    super(config)
    this.on('error', () => {})
  }
}
