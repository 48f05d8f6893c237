import assert from 'node:assert/strict'
import { copyFile, mkdtempDisposable, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { startJobs } from '../../src/process/jobs.ts'
import type { ClientFilesConfig } from '../../src/tls/client-certificates.ts'
import { clientFileProblems, openClientFiles } from '../../src/tls/client-files.ts'

const mebibyte = 1024 * 1024
const abort = new AbortController().signal

describe('the files of a TLS client', async () => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'client-files-'))
  after(() => folder.remove())
  const authority = await makeAuthority(join(folder.path, 'ca'))
  const otherAuthority = await makeAuthority(join(folder.path, 'other-ca'))
  const first = await authority.issue('first', { clientAuth: true })
  const second = await authority.issue('second', { clientAuth: true, days: 2 })

  const ca = { variable: 'CA_FILE', path: join(folder.path, 'ca.crt') }
  const certificate = { variable: 'CERT_FILE', path: join(folder.path, 'tls.crt') }
  const key = { variable: 'KEY_FILE', path: join(folder.path, 'tls.key') }
  const files: ClientFilesConfig = { ca, own: { certificate, key } }
  const all = [ca, certificate, key]

  /** The job never sees a file that is only half written. */
  const replace = async (source: string, path: string): Promise<void> => {
    await copyFile(source, `${path}.new`)
    await rename(`${path}.new`, path)
  }

  beforeEach(async () => {
    await copyFile(authority.certificate, ca.path)
    await copyFile(first.certificate, certificate.path)
    await copyFile(first.key, key.path)
  })

  it('are read, all or those that are set', async () => {
    const days = (validTo: number | undefined) => Math.round(((validTo ?? 0) - Date.now()) / 86_400_000)
    assert.equal(days(openClientFiles(files, silentLogger).current().own?.validTo), 1)
    for (const config of [
      { ca, own: undefined },
      { ca: undefined, own: undefined },
    ]) {
      assert.deepEqual(clientFileProblems(config), [])
      assert.equal(openClientFiles(config, silentLogger).current().own, undefined)
    }
    assert.deepEqual(clientFileProblems(files), [])
  })

  it('that are wrong are problems with their variables, all of them at once', async () => {
    for (const { path } of all) await rm(path)
    const missing = all.map(({ variable }) => `${variable} must name an existing file`)
    assert.deepEqual(clientFileProblems(files), missing)
    assert.throws(() => openClientFiles(files, silentLogger), {
      message: ['Invalid configuration:', ...missing.map((problem) => `  - ${problem}`)].join('\n'),
      exitCode: 78,
    })
    await writeFile(ca.path, 'text')
    await writeFile(certificate.path, Buffer.alloc(mebibyte + 1))
    await writeFile(key.path, '')
    assert.deepEqual(clientFileProblems(files), [
      'CA_FILE must name a PEM file with at least one certificate',
      `CERT_FILE must name a file of at most ${mebibyte} bytes`,
      'KEY_FILE must name a PEM file with a private key',
    ])
    await copyFile(second.certificate, certificate.path)
    await copyFile(first.key, key.path)
    assert.deepEqual(clientFileProblems({ ...files, ca: undefined }), [
      'KEY_FILE must name the key of the first certificate in CERT_FILE',
    ])
  })

  it('are read again by a job, which says once that there are new ones', async () => {
    const { logger, lines } = recordingLogger()
    const opened = openClientFiles(files, logger)
    const before = opened.current()
    await opened.job.work(abort)
    assert.equal(opened.current(), before)
    await copyFile(second.certificate, certificate.path)
    await copyFile(second.key, key.path)
    for (let run = 0; run < 2; run++) await opened.job.work(abort)
    const renewed = opened.current()
    assert.ok((renewed.own?.validTo ?? 0) > (before.own?.validTo ?? 0) + 80_000_000)
    await copyFile(otherAuthority.certificate, ca.path)
    for (let run = 0; run < 2; run++) await opened.job.work(abort)
    assert.notEqual(opened.current().context, renewed.context)
    const variables = ['CA_FILE', 'CERT_FILE', 'KEY_FILE']
    assert.deepEqual(
      lines.map(({ msg, ...fields }) => [msg, fields['variables']]),
      [1, 2].map(() => ['using the new TLS certificates in the files', variables]),
    )
  })

  it('that are broken, missing or only half replaced keep the last ones; the job fails, which is logged once', async () => {
    const { logger, lines } = recordingLogger()
    const metrics = createMetrics('test', '0')
    const opened = openClientFiles(files, logger)
    const before = opened.current()
    await using _ = startJobs([{ ...opened.job, pauseMs: 5 }], { logger, metrics })
    await replace(second.certificate, certificate.path)
    await eventually(5_000, async () => assert.equal(lines.length, 1))
    for (const breakFile of [() => writeFile(ca.path, ''), () => rm(certificate.path), () => rm(key.path)]) {
      await breakFile()
      await delay(30)
      assert.equal(opened.current(), before)
    }
    assert.deepEqual(
      lines.map(({ msg, cause }) => [msg, cause]),
      [
        [
          'job failed; retrying',
          'KEY_FILE must name the key of the first certificate in CERT_FILE. The last certificates are still used',
        ],
      ],
    )
    const { text } = await metrics.scrape(false)
    assert.match(text, /job_duration_seconds_count\{[^}]*job="tls-client-certificates",outcome="internal"/)
    await replace(authority.certificate, ca.path)
    await replace(second.certificate, certificate.path)
    await replace(second.key, key.path)
    await eventually(5_000, async () => assert.notEqual(opened.current(), before))
    assert.doesNotMatch(JSON.stringify(lines), /PRIVATE|BEGIN/)
  })

  it('that are replaced one after the other are no failure in between', async () => {
    const { logger, lines } = recordingLogger()
    const opened = openClientFiles(files, logger)
    await replace(second.certificate, certificate.path)
    await opened.job.work(abort)
    await replace(second.key, key.path)
    await opened.job.work(abort)
    await replace(first.certificate, certificate.path)
    await opened.job.work(abort)
    await assert.rejects(opened.job.work(abort), /KEY_FILE must name the key/)
    assert.equal(lines.length, 1)
  })

  it('may have a certificate that has expired, which is a warning at start and when it is read again', async () => {
    const expired = await authority.issue('expired', { clientAuth: true, expired: true })
    await replace(expired.certificate, certificate.path)
    await replace(expired.key, key.path)
    const { logger, lines } = recordingLogger()
    const opened = openClientFiles(files, logger)
    await replace(first.certificate, certificate.path)
    await replace(first.key, key.path)
    await opened.job.work(abort)
    await replace(expired.certificate, certificate.path)
    await replace(expired.key, key.path)
    await opened.job.work(abort)
    assert.deepEqual(
      lines.map(({ msg, variable }) => [msg, variable]),
      [
        ['the TLS certificate of this client has expired', 'CERT_FILE'],
        ['using the new TLS certificates in the files', undefined],
        ['using the new TLS certificates in the files', undefined],
        ['the TLS certificate of this client has expired', 'CERT_FILE'],
      ],
    )
  })
})
