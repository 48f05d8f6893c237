import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  type CertificateAuthority,
  type IssuedCertificate,
  makeAuthority,
} from '@shop/testing/services/certificate-authority.ts'
import { Type } from 'typebox'
import { ConfigError, type Environment, readVariables } from '../../src/config/variables.ts'
import { tlsConfigOf, tlsProblems, tlsVariables } from '../../src/tls/config.ts'

const configOf = (environment: Environment) =>
  tlsConfigOf(readVariables(Type.Object(tlsVariables), environment, tlsProblems))

const problemsOf = (environment: Environment): readonly string[] => {
  try {
    configOf(environment)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    assert.equal(error.exitCode, 78)
    return error.problems
  }
}

describe('the files with which a service ends TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tls-config-'))
  const at = (name: string) => join(folder, name)
  const write = (name: string, content: string | Buffer) => {
    writeFileSync(at(name), content)
    return at(name)
  }
  const readText = (path: string): string => readFileSync(path, 'utf8')
  const openssl = (...parameters: readonly string[]) => execFileSync('openssl', parameters, { stdio: 'pipe' })
  let authority: CertificateAuthority
  let server: IssuedCertificate
  let other: IssuedCertificate

  before(async () => {
    authority = await makeAuthority(at('ca'))
    server = await authority.issue('server')
    other = await authority.issue('other')
  })
  after(() => rmSync(folder, { recursive: true }))

  const withFiles = (certificate: string, key: string, clientCa?: string) =>
    problemsOf({
      TLS_CERT_FILE: certificate,
      TLS_KEY_FILE: key,
      ...(clientCa && { TLS_CLIENT_CA_FILE: clientCa }),
    })

  it('are optional, and the certificate and its key belong together', () => {
    assert.equal(configOf({}), undefined)
    const { certificate, key } = server
    assert.deepEqual(configOf({ TLS_CERT_FILE: certificate, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: '' }), {
      certificate: { variable: 'TLS_CERT_FILE', path: certificate },
      key: { variable: 'TLS_KEY_FILE', path: key },
      clientCa: undefined,
    })
    assert.deepEqual(problemsOf({ TLS_CERT_FILE: certificate }), [
      'TLS_KEY_FILE must be set together with TLS_CERT_FILE',
    ])
    assert.deepEqual(problemsOf({ TLS_KEY_FILE: key }), [
      'TLS_CERT_FILE must be set together with TLS_KEY_FILE',
    ])
    assert.deepEqual(problemsOf({ TLS_CLIENT_CA_FILE: authority.certificate }), [
      'TLS_CLIENT_CA_FILE must not be set without TLS_CERT_FILE and TLS_KEY_FILE',
    ])
  })

  it('may have a chain, text around the blocks, the key in the file of the certificate, and keys of older forms', () => {
    const { certificate, key } = server
    const chain = `Server\n${readText(certificate)}\nCA\n${readText(authority.certificate)}`
    const together = write('together.pem', `${readText(key)}${chain}`)
    const traditional = at('traditional.key')
    openssl('ec', '-in', key, '-out', traditional)
    const withParameters = `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n`
    write('parameters.key', withParameters + readText(traditional))
    const two = write('two.pem', `${readText(authority.certificate)}${readText(authority.certificate)}`)
    assert.deepEqual(withFiles(together, together, two), [])
    assert.deepEqual(withFiles(certificate, traditional), [])
    assert.deepEqual(withFiles(certificate, at('parameters.key')), [])
  })

  it('are refused with the variable and the rule, and nothing of what is in them', () => {
    const { certificate, key } = server
    const encrypted = at('encrypted.key')
    openssl('ec', '-in', key, '-aes256', '-passout', 'pass:tr0ub4dor', '-out', encrypted)
    const encryptedPkcs8 = at('encrypted-8.key')
    openssl('pkcs8', '-topk8', '-in', key, '-passout', 'pass:tr0ub4dor', '-out', encryptedPkcs8)
    const text = write('text', 'hunter2')
    const der = at('server.der')
    openssl('x509', '-in', certificate, '-outform', 'der', '-out', der)
    const cut = write('cut.pem', readFileSync(certificate, 'utf8').replace(/.{9}\n-----END/, '\n-----END'))
    const large = write('large', `${readText(certificate)}${'#'.repeat(64 * 1024)}`)
    mkdirSync(at('folder'))
    execFileSync('mkfifo', [at('pipe')])
    const certificateRule = 'TLS_CERT_FILE must name a PEM file with at least one certificate'
    const passphrase =
      'TLS_KEY_FILE must name a private key without a passphrase: there is no variable for one'
    const refusals: [string, string, string][] = [
      [at('none'), key, 'TLS_CERT_FILE must name an existing file'],
      [certificate, at('none'), 'TLS_KEY_FILE must name an existing file'],
      [at('folder'), key, 'TLS_CERT_FILE must name a file, not a folder, pipe or device'],
      [certificate, at('pipe'), 'TLS_KEY_FILE must name a file, not a folder, pipe or device'],
      [text, key, certificateRule],
      [der, key, certificateRule],
      [key, key, certificateRule],
      [cut, key, 'TLS_CERT_FILE must name a PEM file whose certificates can all be read'],
      [large, key, 'TLS_CERT_FILE must name a file of at most 65536 bytes'],
      [certificate, text, 'TLS_KEY_FILE must name a PEM file with a private key'],
      [certificate, certificate, 'TLS_KEY_FILE must name a PEM file with a private key'],
      [certificate, encrypted, passphrase],
      [certificate, encryptedPkcs8, passphrase],
      [certificate, other.key, 'TLS_KEY_FILE must name the key of the first certificate in TLS_CERT_FILE'],
    ]
    for (const [certificateFile, keyFile, problem] of refusals)
      assert.deepEqual(withFiles(certificateFile, keyFile), [problem])
    assert.deepEqual(withFiles(certificate, key, text), [
      'TLS_CLIENT_CA_FILE must name a PEM file with at least one certificate',
    ])
    assert.equal(withFiles(text, text, text).length, 3)
    const readRule = 'must name a PEM file whose certificates can all be read'
    const half = write('half.pem', readText(certificate) + readText(authority.certificate).slice(0, 200))
    assert.deepEqual(withFiles(half, key, half), [
      `TLS_CERT_FILE ${readRule}`,
      `TLS_CLIENT_CA_FILE ${readRule}`,
    ])
  })

  it('are refused if OpenSSL does not allow the key', () => {
    const [key, certificate] = [at('weak.key'), at('weak.crt')]
    const subject = ['-days', '1', '-subj', '/CN=weak']
    openssl('req', '-x509', '-newkey', 'rsa:1024', '-nodes', ...subject, '-keyout', key, '-out', certificate)
    assert.deepEqual(withFiles(certificate, key), [
      'TLS_CERT_FILE must name a certificate and key that TLS allows: ERR_SSL_EE_KEY_TOO_SMALL',
    ])
  })

  it('may hold a certificate that has expired: clients decide', async () => {
    const expired = await authority.issue('expired', { expired: true })
    assert.deepEqual(withFiles(expired.certificate, expired.key), [])
  })
})
