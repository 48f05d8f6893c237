/** Why handshakes fail. `closed` is a peer that has gone, such as a check of a load balancer that a port is open. */
export const reasons = [
  'timeout',
  'evicted',
  'closed',
  'plaintext',
  'version',
  'protocol',
  'no_certificate',
  'client_certificate',
  'refused_by_client',
  'other',
] as const

export type Reason = (typeof reasons)[number]

const reasonsOfCodes: Readonly<Record<string, Reason>> = {
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  ERR_SSL_UNEXPECTED_EOF_WHILE_READING: 'closed',
  ERR_SSL_HTTP_REQUEST: 'plaintext',
  ERR_SSL_HTTPS_PROXY_REQUEST: 'plaintext',
  ERR_SSL_WRONG_VERSION_NUMBER: 'plaintext',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'plaintext',
  ERR_SSL_BAD_RECORD_TYPE: 'plaintext',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'version',
  ERR_SSL_VERSION_TOO_LOW: 'version',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'protocol',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'no_certificate',
  ERR_SSL_CERTIFICATE_VERIFY_FAILED: 'client_certificate',
}

/** The alerts with which a client refuses the certificate of the server (RFC 8446 §6.2). */
const clientRefusal = /ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA)$/

/** The reason in an error of a handshake. `authorizationError` says that Node.js does not accept the certificate of the client. */
export const reasonOf = (error: Error, authorizationError: unknown): Reason => {
  if (authorizationError) return 'client_certificate'
  const code = 'code' in error ? String(error.code) : ''
  return reasonsOfCodes[code] ?? (clientRefusal.test(code) ? 'refused_by_client' : 'other')
}

/** For the log. They are without addresses, which are personal data, and without what the peer has sent. */
export const errors: Readonly<Record<Reason, Error>> = {
  timeout: new Error('the handshake took longer than 5 s'),
  evicted: new Error('too many handshakes were in progress, and its client had the most'),
  closed: new Error('the client has closed the connection'),
  plaintext: new Error('the client does not speak TLS'),
  version: new Error('the client speaks only TLS older than 1.2'),
  protocol: new Error('the client does not ask for the protocol of this port (ALPN)'),
  no_certificate: new Error('the client has no certificate'),
  client_certificate: new Error('the certificate of the client is not valid'),
  refused_by_client: new Error('the client refuses the certificate of this service'),
  other: new Error('the handshake failed'),
}
