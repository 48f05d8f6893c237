/** Security headers of every response. The values are helmet's; a test compares them with the installed helmet. */
export const securityHeaders = Object.freeze({
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
})

/** The header that makes browsers use only HTTPS for this host; none for 0 seconds. */
export const hstsHeader = (maxAgeSeconds: number): Record<string, string> =>
  maxAgeSeconds === 0 ? {} : { 'strict-transport-security': `max-age=${maxAgeSeconds}` }
