import { mustBeTokenFile } from '@shop/platform/auth/token-file.ts'
import { grpcAddress, unencryptedServers, usesTls } from '@shop/platform/grpc/channel.ts'
import type { TlsVariables } from '@shop/platform/grpc/connecting/handshake-failures.ts'
import type { Unencrypted } from '@shop/platform/process/unencrypted.ts'
import type { ClientFilesConfig } from '@shop/platform/tls/client-certificates.ts'
import { clientFileProblems } from '@shop/platform/tls/client-files.ts'
import { type Static, type TObject, Type } from 'typebox'
import type { ProductServiceConfig } from './infrastructure/product-service.ts'

export const productServiceVariables = {
  PRODUCT_SERVICE_URL: grpcAddress('localhost:50050'),
  PRODUCT_SERVICE_CA_FILE: Type.Optional(Type.String()),
  PRODUCT_SERVICE_CERT_FILE: Type.Optional(Type.String()),
  PRODUCT_SERVICE_KEY_FILE: Type.Optional(Type.String()),
  PRODUCT_SERVICE_TOKEN_FILE: Type.Optional(Type.String()),
}

type Variables = Static<TObject<typeof productServiceVariables>>

/** The variables to which messages about TLS refer. */
const tlsVariables: TlsVariables = {
  address: 'PRODUCT_SERVICE_URL',
  ca: 'PRODUCT_SERVICE_CA_FILE',
  certificate: 'PRODUCT_SERVICE_CERT_FILE',
  key: 'PRODUCT_SERVICE_KEY_FILE',
}

const fileOf = (variable: string, path: string | undefined) =>
  path === undefined ? undefined : { variable, path }

const certificatesOf = (variables: Variables): ClientFilesConfig => {
  const certificate = fileOf(tlsVariables.certificate, variables.PRODUCT_SERVICE_CERT_FILE)
  const key = fileOf(tlsVariables.key, variables.PRODUCT_SERVICE_KEY_FILE)
  return {
    ca: fileOf(tlsVariables.ca, variables.PRODUCT_SERVICE_CA_FILE),
    own: certificate === undefined || key === undefined ? undefined : { certificate, key },
  }
}

const mustUseTls = (variables: Variables): readonly string[] =>
  usesTls(variables.PRODUCT_SERVICE_URL)
    ? []
    : (['PRODUCT_SERVICE_CA_FILE', 'PRODUCT_SERVICE_CERT_FILE', 'PRODUCT_SERVICE_KEY_FILE'] as const)
        .filter((name) => variables[name] !== undefined)
        .map((name) => `PRODUCT_SERVICE_URL must begin with https:// or dns+https:/// if ${name} is set`)

/** Problems of these variables that their schemas cannot express. */
export const productServiceProblems = (variables: Variables): readonly (string | false)[] => {
  const hasCertificate = variables.PRODUCT_SERVICE_CERT_FILE !== undefined
  const hasKey = variables.PRODUCT_SERVICE_KEY_FILE !== undefined
  return [
    ...mustUseTls(variables),
    hasCertificate && !hasKey && 'PRODUCT_SERVICE_KEY_FILE must be set if PRODUCT_SERVICE_CERT_FILE is set',
    hasKey && !hasCertificate && 'PRODUCT_SERVICE_CERT_FILE must be set if PRODUCT_SERVICE_KEY_FILE is set',
    ...clientFileProblems(certificatesOf(variables)),
    mustBeTokenFile('PRODUCT_SERVICE_TOKEN_FILE', variables.PRODUCT_SERVICE_TOKEN_FILE),
  ]
}

export const productServiceConfigOf = (variables: Variables): ProductServiceConfig => ({
  address: variables.PRODUCT_SERVICE_URL,
  token: fileOf('PRODUCT_SERVICE_TOKEN_FILE', variables.PRODUCT_SERVICE_TOKEN_FILE),
  tls: usesTls(variables.PRODUCT_SERVICE_URL)
    ? { variables: tlsVariables, files: certificatesOf(variables) }
    : undefined,
})

/** What is sent to it without encryption. */
export const unencryptedProductService = ({ address, token }: ProductServiceConfig): Unencrypted => ({
  target: `product service${token === undefined ? '' : ', with the token in PRODUCT_SERVICE_TOKEN_FILE'}`,
  hosts: unencryptedServers(address),
})
