/** Writes the Grafana dashboards that `scripts/dashboards` describes. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@shop/platform/process/lifecycle.ts'
import { businessDashboard } from './dashboards/business.ts'
import { overviewDashboard } from './dashboards/overview.ts'
import { basketDashboard, productDashboard } from './dashboards/service.ts'

const folder = join(import.meta.dirname, '../deploy/observability/grafana/dashboards')

await run(async () => {
  await mkdir(folder, { recursive: true })
  for (const dashboard of [overviewDashboard, productDashboard, basketDashboard, businessDashboard])
    await writeFile(join(folder, `${dashboard.uid}.json`), `${JSON.stringify(dashboard, null, 2)}\n`)
})
