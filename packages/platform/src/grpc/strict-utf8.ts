import { configureTextEncoding, getTextEncoding } from '@bufbuild/protobuf/wire'
import type { ServiceDefinition } from '@grpc/grpc-js'
import { invalid } from '@shop/kernel/errors.ts'

// By itself it puts U+FFFD in the place of what is not UTF-8, so that another text is stored than was sent.
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
configureTextEncoding({ ...getTextEncoding(), decodeUtf8: (bytes) => strict.decode(bytes) })

/**
 * The same service, to whose handlers a message that cannot be decoded comes as the `invalid` that it is answered with: the
 * library would call it INTERNAL.
 */
export const withStrictDecoding = (definition: ServiceDefinition): ServiceDefinition =>
  Object.fromEntries(
    Object.entries(definition).map(([name, method]) => {
      const requestDeserialize = (bytes: Buffer): unknown => {
        try {
          return method.requestDeserialize(bytes)
        } catch {
          return invalid({
            path: '',
            message: 'must be a valid protobuf message with UTF-8 strings',
          })
        }
      }
      return [name, { ...method, requestDeserialize }]
    }),
  )
