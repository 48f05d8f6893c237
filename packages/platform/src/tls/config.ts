import { type Static, type TObject, Type } from 'typebox'
import { type FileContent, readFileOnce } from '../config/bounded-file.ts'
import {
  credentialsIn,
  type Files,
  maxFileBytes,
  type NamedFile,
  type ReadCredentials,
} from './credentials.ts'

/** The files with which a service ends TLS. */
export type TlsConfig = Files<NamedFile>

/** The variables that name them. */
export const tlsVariables = {
  TLS_CERT_FILE: Type.Optional(Type.String()),
  TLS_KEY_FILE: Type.Optional(Type.String()),
  TLS_CLIENT_CA_FILE: Type.Optional(Type.String()),
}

type TlsVariables = Static<TObject<typeof tlsVariables>>

/** The configuration in the variables; undefined if the service does not end TLS. */
export const tlsConfigOf = ({
  TLS_CERT_FILE: certificate,
  TLS_KEY_FILE: key,
  TLS_CLIENT_CA_FILE: clientCa,
}: TlsVariables): TlsConfig | undefined =>
  certificate === undefined || key === undefined
    ? undefined
    : {
        certificate: { variable: 'TLS_CERT_FILE', path: certificate },
        key: { variable: 'TLS_KEY_FILE', path: key },
        clientCa: clientCa === undefined ? undefined : { variable: 'TLS_CLIENT_CA_FILE', path: clientCa },
      }

export const variablesOf = ({ certificate, key, clientCa }: TlsConfig): Files<string> => ({
  certificate: certificate.variable,
  key: key.variable,
  clientCa: clientCa?.variable,
})

/** The contents of the files. For the start of a process: it waits. */
export const readOnce = ({ certificate, key, clientCa }: TlsConfig): Files<FileContent> => ({
  certificate: readFileOnce(certificate.path, maxFileBytes),
  key: readFileOnce(key.path, maxFileBytes),
  clientCa: clientCa && readFileOnce(clientCa.path, maxFileBytes),
})

/** Reads and checks the files, at the start of a process. */
export const readCredentials = (config: TlsConfig): ReadCredentials =>
  credentialsIn(variablesOf(config), readOnce(config))

/** The rules of these variables that their schema cannot express. */
export const tlsProblems = (variables: TlsVariables): readonly (string | false)[] => {
  const { TLS_CERT_FILE: certificate, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: clientCa } = variables
  const config = tlsConfigOf(variables)
  const read = config && readCredentials(config)
  return [
    certificate !== undefined && key === undefined && 'TLS_KEY_FILE must be set together with TLS_CERT_FILE',
    key !== undefined && certificate === undefined && 'TLS_CERT_FILE must be set together with TLS_KEY_FILE',
    clientCa !== undefined &&
      config === undefined &&
      'TLS_CLIENT_CA_FILE must not be set without TLS_CERT_FILE and TLS_KEY_FILE',
    ...(read !== undefined && 'problems' in read ? read.problems : []),
  ]
}
