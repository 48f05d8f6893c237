import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { it } from 'node:test'
import { filesOf, root } from '@shop/testing/files.ts'

/** These files tell the time of day, or convert a deadline that a library takes as a time of day. */
const tellers = [
  'packages/kernel/src/clock.ts',
  'packages/platform/src/grpc/call.ts',
  'packages/platform/src/grpc/client.ts',
  'packages/platform/src/health/health.ts',
  'packages/platform/src/logging/logger.ts',
  'packages/platform/src/metrics/business-metrics.ts',
  'packages/platform/src/metrics/histogram.ts',
  'packages/postgres/src/statements/tracing.ts',
  'packages/testing/src/observability/prometheus.ts',
  'services/product/src/admin/backup.ts',
  'services/product/src/admin/restore.ts',
]

it('durations are measured by performance.now(), because the wall clock may step', () => {
  const readers = ['packages/*/src', 'services/*/src', 'scripts', 'bench/support']
    .flatMap((folder) => filesOf(folder, '.ts'))
    .filter((file) => /\bDate\.now\(|\bnew Date\(\)/.test(readFileSync(file, 'utf8')))
  assert.deepEqual(readers.map((file) => relative(root, file)).toSorted(), tellers)
})
