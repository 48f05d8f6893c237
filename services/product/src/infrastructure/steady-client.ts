import { Client, type ClientConfig } from 'pg'

/** A connection whose loss is told by its query alone: the event, had it no listener, would end the process. */
export class SteadyClient extends Client {
  constructor(config?: ClientConfig) {
    super(config)
    this.on('error', () => {})
  }
}
