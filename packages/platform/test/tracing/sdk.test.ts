import assert from 'node:assert/strict'
import { it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { startCollector } from '@shop/testing/observability/otlp.ts'
import { inRequest, origin, tracingConfig } from '@shop/testing/observability/tracing.ts'
import { startTracing } from '../../src/tracing/start.ts'

/** The number of spans in a full batch, which is exported immediately. */
const batchSize = 512

const makeSpans = async (name: string) => {
  for (let count = 0; count < batchSize; count++) await inRequest(name, async () => {})
}

it('repeated export failures are logged once, and so is the recovery', async () => {
  await using collector = await startCollector()
  const { logger, lines } = recordingLogger()
  const config = tracingConfig(`${collector.url}/`)
  collector.reply.status = 500
  const messages = () => lines.map(({ level, msg }) => [level, msg])
  const failed = [40, 'traces cannot be exported']
  const untilReceived = async (requests: number) =>
    eventually(20_000, async () => assert.ok(collector.requests() >= requests))
  {
    await using _ = await startTracing(origin, config, logger)
    await makeSpans('lost')
    await untilReceived(1)
    await eventually(20_000, async () => assert.deepEqual(messages(), [failed]))
    await makeSpans('lost too')
    await untilReceived(2)
    collector.reply.status = 200
    for (const batches of [1, 2]) {
      await makeSpans('kept')
      await eventually(20_000, async () => assert.equal(collector.spans.length, batches * batchSize))
    }
  }
  assert.deepEqual(messages(), [failed, [30, 'traces are exported again']])
  assert.ok(collector.spans.every(({ name }) => name === 'kept'))
})

it('spans that exceed the queue are dropped, and their number is logged', async () => {
  await using collector = await startCollector()
  const { logger, lines } = recordingLogger()
  const config = { ...tracingConfig(collector.url), timeoutMs: 100 }
  collector.reply.status = 'never'
  await using _ = await startTracing(origin, config, logger)
  // One batch in flight, four that fill the queue, and one that exceeds it.
  for (let batches = 0; batches < 6; batches++) await makeSpans('many')
  await eventually(20_000, async () => {
    await inRequest('one more', async () => {})
    assert.ok(lines.some(({ msg }) => /^tracing: Dropped \d+ spans/.test(String(msg))))
  })
})
