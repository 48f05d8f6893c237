import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, it } from 'node:test'
import helmet from 'helmet'
import { securityHeaders } from '../../src/http/security-headers.ts'

/** Returns the headers that helmet sets for an API: without those for HTML pages and for obsolete browsers. */
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
  it('are the headers that helmet sets for an API', () => {
    assert.deepEqual({ ...securityHeaders }, helmetHeaders())
  })
})
