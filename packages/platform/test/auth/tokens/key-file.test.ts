import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtempDisposable, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { type Issuer, startIssuer } from '@shop/testing/auth/issuer.ts'
import { openWith, outcomeOf } from '../../support/tokens.ts'

const keysOf = (issuer: Issuer) => JSON.stringify({ keys: issuer.state.keys.map(({ jwk }) => jwk) })

/** Opens tokens whose keys are in a file, with a function that waits until the next second's look at it is over. */
const openFile = (issuer: Issuer, path: string) => {
  const tokens = openWith(issuer, { keys: { kind: 'file', path } })
  const look = async () => {
    tokens.clocks.step(1_000)
    await tokens.reload()
  }
  return { ...tokens, look }
}

it('keys in a file are read again when it changes, and the issuer is never asked', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'keys-'))
  await using issuer = await startIssuer()
  const path = join(folder.path, 'keys.json')
  await writeFile(path, keysOf(issuer))
  const tokens = openFile(issuer, path)
  const old = await issuer.sign()
  assert.equal(await outcomeOf(tokens, old), 'ok')
  assert.equal(tokens.pauseMs(), 1_000)
  await issuer.rotate()
  await writeFile(path, keysOf(issuer))
  await tokens.look()
  assert.match(await outcomeOf(tokens, old), /^unauthenticated/)
  assert.equal(await outcomeOf(tokens, await issuer.sign()), 'ok')
  assert.deepEqual(issuer.state.fetches, { keys: 0, metadata: 0 })
})

it('keys in a mounted folder are read again when its link is swapped', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'keys-'))
  await using issuer = await startIssuer()
  const mount = async (version: string) => {
    await mkdir(join(folder.path, version))
    await writeFile(join(folder.path, version, 'keys.json'), keysOf(issuer))
    await symlink(version, join(folder.path, 'next'))
    await rename(join(folder.path, 'next'), join(folder.path, 'data'))
  }
  await mount('first')
  await symlink('data/keys.json', join(folder.path, 'keys.json'))
  const tokens = openFile(issuer, join(folder.path, 'keys.json'))
  assert.equal(await outcomeOf(tokens, await issuer.sign()), 'ok')
  await issuer.rotate()
  await mount('second')
  await tokens.look()
  assert.equal(await outcomeOf(tokens, await issuer.sign()), 'ok')
})

it('a broken or missing file leaves the keys of before for as long as it takes, and is logged once', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'keys-'))
  await using issuer = await startIssuer()
  const path = join(folder.path, 'keys.json')
  await writeFile(path, keysOf(issuer))
  const tokens = openFile(issuer, path)
  const token = await issuer.sign({ exp: Math.floor(Date.now() / 1_000) + 1_000_000 })
  assert.equal(await outcomeOf(tokens, token), 'ok')
  const breakIt = [
    () => writeFile(path, keysOf(issuer).slice(0, -10)),
    () => writeFile(path, 'x'.repeat(2_000_000)),
    () => writeFile(path, Buffer.from([0xff])),
    () => rm(path),
    () => mkdir(path),
  ]
  for (const change of breakIt) {
    await change()
    await tokens.look()
    assert.equal(await outcomeOf(tokens, token), 'ok')
  }
  assert.equal(await tokens.problem(), 'the keys of the token issuer cannot be reloaded')
  tokens.clocks.step(48 * 3_600_000)
  assert.equal(await outcomeOf(tokens, token), 'ok')
  await rm(path, { recursive: true })
  await writeFile(path, keysOf(issuer))
  await tokens.look()
  assert.equal(await tokens.problem(), undefined)
  assert.deepEqual(tokens.messages(), [
    'keys of the token issuer loaded',
    'the keys of the token issuer cannot be loaded',
    'keys of the token issuer loaded',
  ])
})

it('a named pipe in place of the file does not hang', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'keys-'))
  await using issuer = await startIssuer()
  const path = join(folder.path, 'keys.json')
  await promisify(execFile)('mkfifo', [path])
  const tokens = openFile(issuer, path)
  assert.match(await outcomeOf(tokens, await issuer.sign()), /^unavailable/)
  assert.match(
    String(tokens.lines[0]?.cause),
    /AUTH_JWKS_FILE must name a file, not a folder, pipe or device/,
  )
})
