import { Client, type ClientConfig } from 'pg'

/** A connection whose loss is the error of its query alone: without a listener the event would end the process. */
export class ClientWithErrorHandler extends Client {
  constructor(config?: ClientConfig) {
    super(config)
    this.on('error', () => {})
  }
}
