import { configureTextEncoding, getTextEncoding } from '@bufbuild/protobuf/wire'
import type { ServiceDefinition } from '@grpc/grpc-js'
import { invalid } from '@shop/kernel/errors.ts'

// The default decoder replaces invalid UTF-8 with U+FFFD: the stored string would differ from the one sent.
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
configureTextEncoding({ ...getTextEncoding(), decodeUtf8: (bytes) => strict.decode(bytes) })

/**
 * Returns the definition with another decoder: if a message cannot be decoded, the handler receives an
 * `invalid` error as the request. grpc-js itself would respond with INTERNAL.
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
