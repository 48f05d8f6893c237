import { it, type TestContext } from 'node:test'
import type { ComposeProject } from './project.ts'

const timeoutMs = 300_000

/** Lines of logs may be very long. */
const shortened = (logs: string): string => logs.replace(/^(.{400}).+$/gm, '$1…')

/**
 * Returns a function that adds a test which depends on those before it. After a failure it prints the logs of the
 * project's containers once, and the later ones are not tried.
 */
export const stepsOf = (project: () => ComposeProject | undefined) => {
  let failed: string | undefined
  return (name: string, work: (project: ComposeProject, context: TestContext) => Promise<void>): void =>
    void it(name, { timeout: timeoutMs }, async (context) => {
      const running = project()
      if (failed !== undefined || running === undefined)
        throw Object.assign(new Error(`not tried, because of: ${failed ?? 'the project'}`), { stack: '' })
      try {
        await work(running, context)
      } catch (error) {
        failed = name
        process.stderr.write(`${shortened(await running.logs())}\n`)
        throw error
      }
    })
}
