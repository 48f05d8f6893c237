import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import {
  cp,
  mkdir,
  mkdtempDisposable,
  readdir,
  readFile,
  realpath,
  rename,
  stat,
  symlink,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { root } from '@shop/testing/files.ts'
import { readConfig } from '../services/basket/src/config.ts'

const run = promisify(execFile)

/** A folder with what `make certificates` needs: nothing is installed. */
const openClone = async () => {
  const clone = await mkdtempDisposable(join(tmpdir(), 'certificates-'))
  await mkdir(join(clone.path, 'scripts'))
  for (const file of ['Makefile', 'scripts/certificates.sh'])
    await cp(join(root, file), join(clone.path, file))
  const folder = join(await realpath(clone.path), 'certificates')
  const contents = async () =>
    new Map(
      await Promise.all(
        (await readdir(folder)).map(
          async (name) => [name, await readFile(join(folder, name), 'utf8')] as const,
        ),
      ),
    )
  return {
    folder,
    contents,
    make: (PATH = process.env['PATH']) => run('make', ['certificates'], { cwd: clone.path, env: { PATH } }),
    certificate: async (name: string) => new X509Certificate(await readFile(join(folder, `${name}.crt`))),
    [Symbol.asyncDispose]: () => clone.remove(),
  }
}

const names = ['basket-client', 'ca', 'server'].flatMap((name) => [`${name}.crt`, `${name}.key`])

describe('make certificates', () => {
  it('makes an authority, and certificates of it for servers and for the basket service, which only their owner can read', async () => {
    await using clone = await openClone()
    const { stdout } = await clone.make()
    const files = await clone.contents()
    assert.deepEqual([...files.keys()].toSorted(), names)
    for (const name of names) assert.equal((await stat(join(clone.folder, name))).mode & 0o777, 0o600)
    const [ca, server, client] = [
      await clone.certificate('ca'),
      await clone.certificate('server'),
      await clone.certificate('basket-client'),
    ]
    assert.ok(ca.ca && ca.verify(ca.publicKey))
    for (const [certificate, usage] of [
      [server, '1.3.6.1.5.5.7.3.1'],
      [client, '1.3.6.1.5.5.7.3.2'],
    ] as const) {
      assert.ok(certificate.checkIssued(ca) && certificate.verify(ca.publicKey) && !certificate.ca)
      assert.deepEqual(certificate.keyUsage, [usage])
      assert.equal(Math.round((certificate.validToDate.getTime() - Date.now()) / 86_400_000), 30)
    }
    for (const name of ['localhost', 'product-service', 'product-service-grpc', 'basket-service'])
      assert.equal(server.checkHost(name), name)
    for (const address of ['127.0.0.1', '::1']) assert.equal(server.checkIP(address), address)

    const printed = Object.fromEntries(
      [...stdout.matchAll(/^ {2}export (\w+)='?([^'\n]+)'?$/gm)].map(([, name, value]) => [name, value]),
    )
    assert.deepEqual(printed, {
      TLS_CERT_FILE: join(clone.folder, 'server.crt'),
      TLS_KEY_FILE: join(clone.folder, 'server.key'),
      TLS_CLIENT_CA_FILE: join(clone.folder, 'ca.crt'),
      PRODUCT_SERVICE_URL: 'https://localhost:50050',
      PRODUCT_SERVICE_CA_FILE: join(clone.folder, 'ca.crt'),
      PRODUCT_SERVICE_CERT_FILE: join(clone.folder, 'basket-client.crt'),
      PRODUCT_SERVICE_KEY_FILE: join(clone.folder, 'basket-client.key'),
    })
    const { productService } = readConfig(printed)
    assert.equal(productService.tls?.files.own?.key.path, printed['PRODUCT_SERVICE_KEY_FILE'])
  })

  it('makes new certificates of the same authority when it runs again', async () => {
    await using clone = await openClone()
    await clone.make()
    const before = await clone.contents()
    await clone.make()
    const after = await clone.contents()
    assert.deepEqual([...after.keys()].toSorted(), names)
    for (const name of names) assert.equal(after.get(name) === before.get(name), name.startsWith('ca.'), name)
    assert.ok((await clone.certificate('server')).verify((await clone.certificate('ca')).publicKey))
  })

  it('changes nothing if a file of the authority is missing, or if there is no openssl', async () => {
    await using clone = await openClone()
    await clone.make()
    await using programs = await mkdtempDisposable(join(tmpdir(), 'programs-'))
    for (const name of ['make', 'dirname']) {
      const { stdout } = await run('which', [name])
      await symlink(stdout.trim(), join(programs.path, name))
    }
    const before = await clone.contents()
    await assert.rejects(clone.make(programs.path), /make: openssl not found/)
    assert.deepEqual(await clone.contents(), before)
    for (const name of ['ca.key', 'ca.crt']) {
      const [file, elsewhere] = [join(clone.folder, name), join(programs.path, name)]
      await rename(file, elsewhere)
      await assert.rejects(clone.make(), new RegExp(`make: certificates/${name} is missing: restore it`))
      await rename(elsewhere, file)
      assert.deepEqual(await clone.contents(), before)
    }
  })
})
