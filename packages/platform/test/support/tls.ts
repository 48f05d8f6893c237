import { join } from 'node:path'
import type { IssuedCertificate } from '@shop/testing/services/certificate-authority.ts'
import type { createMetrics } from '../../src/metrics/metrics.ts'
import type { TlsConfig } from '../../src/tls/config.ts'

/** The configuration of a server with the certificate. Clients need one of the authority, if it is given. */
export const tlsConfig = ({ certificate, key }: IssuedCertificate, clientCa?: string): TlsConfig => ({
  certificate: { variable: 'TLS_CERT_FILE', path: certificate },
  key: { variable: 'TLS_KEY_FILE', path: key },
  clientCa: clientCa === undefined ? undefined : { variable: 'TLS_CLIENT_CA_FILE', path: clientCa },
})

/** The certificate and key in the folder, with the names that Kubernetes gives them. */
export const mountedIn = (folder: string): IssuedCertificate => ({
  certificate: join(folder, 'tls.crt'),
  key: join(folder, 'tls.key'),
})

/** The number of failed handshakes of a transport by reason, without those of which there are none. */
export const handshakeFailures = async (
  { registry }: Pick<ReturnType<typeof createMetrics>, 'registry'>,
  transport: string,
): Promise<Record<string, number>> => {
  const text = await registry.getSingleMetricAsString('tls_handshake_failures_total')
  const lines = [
    ...text.matchAll(/^tls_handshake_failures_total\{transport="(\w+)",reason="(\w+)"[^}]*\} (\d+)$/gm),
  ]
  return Object.fromEntries(
    lines
      .filter(([, of, , count]) => of === transport && count !== '0')
      .map(([, , reason = '', count]) => [reason, Number(count)]),
  )
}
