import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { eventually } from '../asserts/eventually.ts'
import { freePort } from '../services/services.ts'
import { unlessReachable } from '../stores/servers.ts'
import { configurationFolder, replaceRequired } from './prometheus.ts'

/** For a suite's `skip`: the reason if Alertmanager is not installed, otherwise false. */
export const withoutAlertmanager = await unlessReachable('prometheus-alertmanager (in PATH)', () =>
  promisify(execFile)('prometheus-alertmanager', ['--version']),
)

/** An alert as a webhook gets it. */
type Alert = Readonly<{
  status: 'firing' | 'resolved'
  labels: Readonly<Record<string, string>>
  annotations: Readonly<Record<string, string>>
}>

/** Starts an HTTP server that keeps the alerts of every notification, under the path that it was sent to. */
const startReceiver = async () => {
  const notifications: Readonly<{ path: string; alerts: readonly Alert[] }>[] = []
  const receive = async (request: IncomingMessage, response: ServerResponse) => {
    const { alerts } = (await json(request)) as { alerts: readonly Alert[] }
    notifications.push({ path: request.url ?? '', alerts })
    response.end()
  }
  const server = createServer((request, response) => void receive(request, response))
  const port = await freePort()
  await once(server.listen(port, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${port}`,
    notificationsTo: (path: string) => notifications.filter((notification) => notification.path === path),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** The project's configuration, with the receiver's addresses, and without its waiting times. */
const configurationFor = (receiver: string): string => {
  let text = readFileSync(join(configurationFolder, 'alertmanager.yml'), 'utf8')
  for (const name of ['operators', 'dead-mans-switch'])
    text = replaceRequired(text, `http://${name}.invalid/alerts`, `${receiver}/${name}`)
  text = replaceRequired(text, /group_wait: \w+/g, 'group_wait: 0s')
  text = replaceRequired(text, /group_interval: \w+/g, 'group_interval: 1s')
  return replaceRequired(text, 'repeat_interval: 1m', 'repeat_interval: 1s')
}

/** Starts an Alertmanager on loopback, and a receiver that gets its notifications. */
export const startAlertmanager = async () => {
  await using stack = new AsyncDisposableStack()
  const receiver = stack.use(await startReceiver())
  const folder = mkdtempSync(join(tmpdir(), 'alertmanager-'))
  stack.defer(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'alertmanager.yml')
  writeFileSync(file, configurationFor(receiver.url))
  const address = `127.0.0.1:${await freePort()}`
  const server = spawn(
    'prometheus-alertmanager',
    [
      `--config.file=${file}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
    ],
    { stdio: 'ignore' },
  )
  const exited = once(server, 'exit')
  stack.defer(async () => {
    server.kill('SIGTERM')
    await exited
  })
  await eventually(20_000, async () => void (await fetch(`http://${address}/-/ready`)))
  const started = stack.move()
  return {
    address,
    /** The alerts of the notifications that this receiver of the configuration has got, oldest first. */
    receivedBy: (name: string): readonly Alert[] =>
      receiver.notificationsTo(`/${name}`).flatMap(({ alerts }) => alerts),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
