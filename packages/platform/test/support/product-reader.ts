import { ProductServiceClient, ProductServiceService } from '@shop/contracts/product/product.ts'
import { channelTo } from '../../src/grpc/channel.ts'
import { callUnary } from '../../src/grpc/client.ts'

/**
 * Opens a client that calls BatchGetProducts; disposing of it closes the channel.
 * The channel may retry the methods in `reads`.
 */
export const openReader = (address: string, reads = [ProductServiceService.batchGetProducts.path]) => {
  const client = new ProductServiceClient(...channelTo(address, reads))
  return {
    get: (deadlineMs = 20_000) =>
      callUnary(client.batchGetProducts.bind(client), { ids: [7], readMask: undefined }, deadlineMs),
    [Symbol.dispose]: () => client.close(),
  }
}
