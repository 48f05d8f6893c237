import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { unlessReachable } from '@shop/testing/stores/servers.ts'

/** Debian installs the program in /usr/sbin, which the PATH of a user may lack. */
const environment = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` }

/** For a suite's `skip`: the reason if nginx is not installed, otherwise false. */
export const withoutNginx = await unlessReachable('nginx', () =>
  promisify(execFile)('nginx', ['-v'], { env: environment }),
)

const configurationOf = (folder: string, port: number, target: string): string => {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(folder, name)};`)
    .join(' ')
  return `daemon off; pid ${join(folder, 'pid')}; error_log stderr;
    events {}
    http { access_log off; ${temporary} server { listen 127.0.0.1:${port}; location / { proxy_pass ${target}; } } }`
}

/** Starts nginx as a reverse proxy for `target`. With a path in `target`, nginx normalizes the paths of requests. */
export const startNginx = async (target: string) => {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, configurationOf(folder, port, target))
  const child = spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', file], {
    env: environment,
    stdio: 'ignore',
  })
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    child.kill()
    await exited
    rmSync(folder, { recursive: true })
  }
  try {
    await eventually(10_000, () => fetch(url).then((response) => response.text()))
  } catch (error) {
    await stop()
    throw error
  }
  return { url, [Symbol.asyncDispose]: stop }
}
