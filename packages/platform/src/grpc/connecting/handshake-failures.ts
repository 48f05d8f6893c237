/** The variables that an operator may have to change. */
export type TlsVariables = Readonly<{ address: string; ca: string; certificate: string; key: string }>

type Advice = (variables: TlsVariables) => string

const untrusted: Advice = ({ ca }) =>
  `the certificate of the server is not trusted: ${ca} must name the CAs that signed it`

const refused: Advice = ({ certificate, key }) =>
  `the server does not accept the certificate of this service: ${certificate} and ${key} must name one that it accepts`

const missing: Advice = ({ certificate, key }) =>
  `the server asks for a certificate of this service: ${certificate} and ${key} must be set`

const notTls: Advice = ({ address }) =>
  `the server does not use TLS at this port: ${address} must have the address of a port with TLS`

/** By the codes of Node.js for the results of OpenSSL's verification, and by those for the alerts of TLS (RFC 8446 §6.2). */
const advices: ReadonlyMap<string, Advice> = new Map([
  ...[
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'CERT_UNTRUSTED',
    'CERT_SIGNATURE_FAILURE',
    'INVALID_CA',
  ].map((code) => [code, untrusted] as const),
  ...[
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'ERR_SSL_TLSV1_ALERT_ACCESS_DENIED',
    'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
    'ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE',
    'ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED',
    'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
    'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN',
  ].map((code) => [code, refused] as const),
  ...['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'].map(
    (code) => [code, notTls] as const,
  ),
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', missing],
  ['CERT_HAS_EXPIRED', () => 'the certificate of the server has expired: the server needs a new one'],
  [
    'CERT_NOT_YET_VALID',
    () => 'the certificate of the server is not valid yet: compare the clocks of both machines',
  ],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    ({ address }) => `the certificate of the server is for other names than the one in ${address}`,
  ],
])

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : ''

/** Of a failure: what it is, to tell it from others, and what an operator can do. */
export type HandshakeFailure = Readonly<{ code: string; advice: string }>

/** What a failure to connect says about certificates. Undefined if it says nothing, such as when the server is down. */
export const handshakeFailure = (error: unknown, variables: TlsVariables): HandshakeFailure | undefined => {
  const code = codeOf(error)
  const known = advices.get(code)
  if (known !== undefined) return { code, advice: known(variables) }
  return code.startsWith('ERR_SSL_')
    ? { code, advice: `the server and this service cannot agree on TLS: compare their settings` }
    : undefined
}

/**
 * The failure of a server that closes a connection after the handshake, without a word. In TLS 1.3 the handshake ends for the
 * client before the server has verified its certificate; Node.js then sends no alert.
 */
export const closedAfterHandshake = (variables: TlsVariables): HandshakeFailure => ({
  code: 'CLOSED_AFTER_HANDSHAKE',
  advice: `the server closed a connection just after the handshake. Unless it is stopping, ${refused(variables)}`,
})
