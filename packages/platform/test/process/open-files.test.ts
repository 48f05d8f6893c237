import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { defaultLimits } from '../../src/limits/limits.ts'
import { withinOpenFiles } from '../../src/process/open-files.ts'

const maxConnections = (wanted: number, openFiles: number, operationsFiles = 0) => {
  const { logger, lines } = recordingLogger()
  const limits = withinOpenFiles(
    { ...defaultLimits, maxConnections: wanted },
    logger,
    operationsFiles,
    openFiles,
  )
  return { max: limits.maxConnections, lines }
}

describe('the number of connections', () => {
  it('fits the limit of open files, and the log says if it is lowered', () => {
    for (const [wanted, openFiles, max] of [
      [10_000, 1_024, 724],
      [10_000, 10_299, 9_999],
      [50_000, 20_000, 19_700],
      [10_000, 500, 250],
      [10, 16, 8],
    ] as const) {
      const result = maxConnections(wanted, openFiles)
      assert.equal(result.max, max, String(openFiles))
      assert.deepEqual(
        result.lines.map(({ level, open_files, wanted_connections, max_connections }) => [
          level,
          open_files,
          wanted_connections,
          max_connections,
        ]),
        [[40, openFiles, wanted, max]],
      )
    }
  })

  it('leaves files for the operations port', () => {
    assert.equal(maxConnections(10_000, 1_024, 200).max, 524)
    assert.equal(maxConnections(10_000, 500, 200).max, 250)
    assert.deepEqual(maxConnections(10_000, 10_500, 200), { max: 10_000, lines: [] })
  })

  it('is the wanted one if the limit allows it, or is not known', () => {
    for (const [wanted, openFiles] of [
      [10_000, 10_300],
      [500, 1_024],
      [10_000, 1_048_576],
    ] as const)
      assert.deepEqual(maxConnections(wanted, openFiles), { max: wanted, lines: [] })
    const limits = { ...defaultLimits }
    assert.equal(withinOpenFiles(limits, recordingLogger().logger, 0, Infinity), limits)
  })
})
