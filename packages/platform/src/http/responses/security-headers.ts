import { corsHeaders, type Origins } from '../cors.ts'

/** Security headers of every response. The values are helmet's; a test compares them with the installed helmet. */
export const securityHeaders = Object.freeze({
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
})

/** Further security headers of pages. They mean nothing for a response that opens no window and follows no link. */
export const pageHeaders = Object.freeze({
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
})

/** The header that makes browsers use only HTTPS for this host; none for 0 seconds. */
const hstsHeader = (maxAgeSeconds: number): Record<string, string> =>
  maxAgeSeconds === 0 ? {} : { 'strict-transport-security': `max-age=${maxAgeSeconds}` }

type HeadersConfig = Readonly<{ hstsMaxAgeSeconds: number; corsOrigins: Origins; compression: boolean }>

/** The headers of every response. */
export const fixedHeadersOf = ({ hstsMaxAgeSeconds, corsOrigins, compression }: HeadersConfig) => ({
  ...securityHeaders,
  ...hstsHeader(hstsMaxAgeSeconds),
  ...corsHeaders(corsOrigins),
  ...(compression && { vary: 'Accept-Encoding' }),
})
