import assert from 'node:assert/strict'
import { it } from 'node:test'
import { runProgram } from '@shop/testing/services/program.ts'

it('what libraries and Node.js write to the console is in the log; standard error has only the last words', async () => {
  const { stdout, stderr } = await runProgram(new URL('./programs/with-noisy-library.ts', import.meta.url))
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    lines.map(({ level, source, msg }) => [level, source, msg]),
    [
      ['error', 'console', '`query` failed: timeout'],
      ['warn', 'console', '100 % sure'],
      ['info', 'console', '{ line: 1 }'],
      ['warn', 'node', 'MaxListeners exceeded'],
    ],
  )
  assert.match(stderr, /TypeError: the last words/)
  assert.doesNotMatch(stderr, /query|sure|MaxListeners/)
})
