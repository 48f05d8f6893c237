import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { arrivalTimes } from '../bench/support/load/arrivals.ts'
import { driveInChild } from '../bench/support/load/http-load.ts'
import { secondsBetween, usageOf } from '../bench/support/processor-time.ts'
import { markdownTable, replaceSection, spreadOf } from '../bench/support/report.ts'
import { measureInRounds } from '../bench/support/rounds.ts'

/** Numbers that are spread evenly over 0 to 1, in the order of a fixed linear congruential generator. */
const evenly = (seed: number) => () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
  return seed / 2 ** 31
}

describe('the arrivals of an open load', () => {
  const times = arrivalTimes(500, evenly(1))
  const arrivals = Array.from({ length: 50_000 }, () => times.next().value)
  const gaps = arrivals.map((time, index) => time - (arrivals[index - 1] ?? 0))

  it('have the rate that is asked for', () => {
    const seconds = (arrivals.at(-1) ?? 0) / 1_000
    assert.ok(Math.abs(arrivals.length / seconds / 500 - 1) < 0.02, `${arrivals.length / seconds} per second`)
  })

  it('are independent of each other: 63 % of the gaps are shorter than the mean', () => {
    const shorter = gaps.filter((gap) => gap < 2).length / gaps.length
    assert.ok(Math.abs(shorter - (1 - Math.exp(-1))) < 0.02, `${shorter}`)
  })
})

describe('an open load of a server that stops for 300 ms twice a second', () => {
  /** Blocks this process, while the load comes from another one. */
  const stop = () => {
    for (const end = performance.now() + 300; performance.now() < end; );
  }
  const server = createServer((_request, response) => response.end())
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())

  it('arrives at its rate all the same, and waits for the server', async () => {
    const timer = setInterval(stop, 500)
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const requests = [{ url, method: 'GET', path: '/' }] as const
    const { rate, failed, p50, p99 } = await driveInChild({ requests, connections: 1, seconds: 1, rate: 100 })
    clearInterval(timer)
    assert.equal(failed, 0)
    assert.ok(rate > 50 && rate < 150, `${rate} per second`)
    // Three of five arrive while the server does not answer. A client that waits for it would send only one then.
    assert.ok(p50 > 10 && p99 > 200, `p50 ${p50} ms, p99 ${p99} ms`)
  })
})

describe('CPU times', { skip: process.platform !== 'linux' && 'reads /proc' }, () => {
  it('of a process include its threads', async () => {
    const script = `
      while (process.threadCpuUsage().user < 500_000);
      require('node:worker_threads').parentPort.on('message', () => {}).postMessage('done')`
    const worker = new Worker(script, { eval: true })
    await once(worker, 'message')
    const { user, system } = process.cpuUsage()
    const seconds = usageOf([process.pid]).get(process.pid) ?? 0
    await worker.terminate()
    const ratio = seconds / ((user + system) / 1e6)
    assert.ok(ratio > 0.8 && ratio < 1.2, `${ratio}`)
  })

  it('include the children of a process', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)'])
    child.stdin.write('x')
    await once(child.stdout, 'data')
    const usage = usageOf([process.pid])
    child.stdin.end()
    await once(child, 'exit')
    assert.ok((usage.get(Number(child.pid)) ?? 0) > 0.005)
  })

  it('of a process that has ended do not count', () => {
    assert.equal(usageOf([2 ** 30]).get(2 ** 30), 0)
    const first = new Map([
      [1, 5],
      [2, 7],
    ])
    const second = new Map([
      [1, 6],
      [3, 0.5],
    ])
    assert.equal(secondsBetween(first, second), 1.5)
  })
})

describe('rounds', () => {
  it('start with another measurement each, and do not count the first', async () => {
    const order: string[] = []
    const take = (name: string) => async () => `${name}${order.push(name)}`
    assert.deepEqual(await measureInRounds([take('a'), take('b')], 2), [
      ['a4', 'a5'],
      ['b3', 'b6'],
    ])
    assert.equal(order.join(''), 'abbaab')
  })
})

describe('the report of a benchmark', () => {
  it('has the median, minimum and maximum of the rounds', () => {
    assert.deepEqual(spreadOf([3, 1, 10, 2]), { median: 2.5, min: 1, max: 10 })
    assert.equal(spreadOf([3, 1, 10]).median, 3)
  })

  it('replaces only its section of a page', () => {
    const page = 'a\n<!-- results: begin -->\nold\n<!-- results: end -->\nb\n'
    const replaced = replaceSection(page, 'results', markdownTable([['x'], ['1']]))
    assert.equal(
      replaced,
      'a\n<!-- results: begin -->\n\n| x |\n| --- |\n| 1 |\n\n<!-- results: end -->\nb\n',
    )
    assert.equal(replaceSection(replaced, 'results', 'y').match(/\| x \|/), null)
    assert.throws(() => replaceSection('no section', 'results', ''), /has no section results/)
  })
})
