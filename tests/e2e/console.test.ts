import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { it } from 'node:test'
import { root } from '@shop/testing/files.ts'
import { freePort } from '@shop/testing/services/services.ts'

it('a service whose gRPC port is in use writes only the reason to standard error, and only JSON to its log', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'console-'))
  await using holder = createServer().listen(0, '0.0.0.0')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  const child = spawn(process.execPath, [join(root, 'services/product/src/main.ts')], {
    env: {
      DATA_DIR: folder.path,
      PORT: String(await freePort()),
      GRPC_PORT: String(port),
      LOG_FORMAT: 'json',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  assert.equal(
    stderr,
    `Port ${port} is in use: stop the process that listens on it, or choose another port.\n`,
  )
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.ok(lines.length > 0)
  for (const line of lines) assert.ok(line.level && line.msg, JSON.stringify(line))
  // The service itself listens. If the gRPC library did, it would write to the console, too.
  assert.deepEqual(
    lines.filter(({ source }) => source === 'console'),
    [],
  )
})
