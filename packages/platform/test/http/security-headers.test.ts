import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, it } from 'node:test'
import helmet from 'helmet'
import { pageHeaders, securityHeaders } from '../../src/http/responses/security-headers.ts'

/** Returns the headers that helmet sets, without those for pages with content of others and for obsolete browsers. */
const helmetHeaders = () => {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  const setHeaders = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    originAgentCluster: false,
    // Whoever ends TLS decides.
    strictTransportSecurity: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  })
  setHeaders(request, response, () => {})
  return { ...response.getHeaders() }
}

describe('the security headers', () => {
  it('are, together with those of pages, the headers that helmet sets', () => {
    assert.deepEqual({ ...securityHeaders, ...pageHeaders }, helmetHeaders())
  })
})
