import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { root } from '@shop/testing/files.ts'

const read = (path: string) => readFile(join(root, path), 'utf8')

/** All objects within the value, with their paths. */
const objectsIn = (
  value: unknown,
  path = '',
): (readonly [path: string, object: Record<string, unknown>])[] => {
  if (typeof value !== 'object' || value === null) return []
  const within = Object.entries(value).flatMap(([key, member]) => objectsIn(member, `${path}/${key}`))
  return Array.isArray(value) ? within : [[path, value as Record<string, unknown>], ...within]
}

for (const name of ['product', 'basket'])
  describe(`the OpenAPI document of the ${name} service`, () => {
    it('requires nothing that has a default', async () => {
      const objects = objectsIn(JSON.parse(await read(`api/openapi/${name}.json`)))
      const parameters = objects.filter(([, { schema }]) => Object.hasOwn(schema ?? {}, 'default'))
      assert.equal(parameters.length > 0, name === 'product')
      for (const [path, { required }] of parameters) assert.equal(required, false, path)
    })

    it('has the refusals of a limit for every operation with a problem', async () => {
      const objects = objectsIn(JSON.parse(await read(`api/openapi/${name}.json`)).paths)
      const responses = objects.filter(
        ([path, { 500: bug }]) => path.endsWith('/responses') && bug !== undefined,
      )
      assert.ok(responses.length > 5)
      for (const [path, { 429: share, 503: total }] of responses) assert.ok(share && total, path)
    })

    it('has Idempotency-Key and Idempotent-Replayed for exactly the operations that answer 422', async () => {
      const { paths } = JSON.parse(await read(`api/openapi/${name}.json`))
      const operations = objectsIn(paths).filter(([, { responses }]) => responses !== undefined)
      const keyed = operations.filter(([, { responses }]) => Object.hasOwn(responses ?? {}, '422'))
      assert.ok(keyed.length >= 4 && keyed.length < operations.length)
      for (const [path, operation] of operations) {
        const isKeyed = keyed.some(([other]) => other === path)
        const text = JSON.stringify(operation)
        assert.equal(text.includes('"#/components/parameters/IdempotencyKey"'), isKeyed, path)
        for (const [status, response] of Object.entries(operation['responses'] ?? {}))
          assert.equal(
            JSON.stringify(response).includes('"#/components/headers/IdempotentReplayed"'),
            isKeyed && status.startsWith('2'),
            `${path} ${status}`,
          )
      }
    })

    it('has no anonymous objects, and a type beside every enum', async () => {
      const document = JSON.parse(await read(`api/openapi/${name}.json`))
      const isExample = (path: string) => /\/examples?\//.test(path)
      for (const [path, schema] of objectsIn(document)) {
        if (isExample(path)) continue
        if (schema['type'] === 'object' && !('additionalProperties' in schema))
          assert.match(path, /^\/components\/schemas\/\w+$/)
        if ('enum' in schema && Array.isArray(schema['enum'])) assert.equal(schema['type'], 'string', path)
      }
    })
  })

/** Runs a linter as `make lint` does, on the document after a replacement. */
const lint = async (command: readonly string[], from: string, to: string) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-openapi-'))
  const file = join(folder.path, 'basket.json')
  const text = await read('api/openapi/basket.json')
  assert.ok(text.includes(from), from)
  await writeFile(file, text.replace(from, to))
  const [program = '', ...args] = command
  const { status, stdout, stderr } = spawnSync(program, [...args, file], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
  })
  return { status, output: stdout + stderr }
}

describe('make lint', () => {
  it('rejects an OpenAPI document with a fault that spectral finds', async () => {
    const command = [process.execPath, join(root, 'scripts/openapi-lint.ts')]
    assert.match(await read('Makefile'), /^\tnode scripts\/openapi-lint\.ts$/m)
    const { status, output } = await lint(
      command,
      '"description": "For liveness probes: asks no dependency.",',
      '',
    )
    assert.equal(status, 1)
    assert.match(output, /^basket\.json: paths\.\S+: .+ \(operation-description\)$/m)
  })

  it('rejects an OpenAPI document with a fault that redocly finds', async () => {
    assert.match(await read('Makefile'), /^\tREDOCLY_TELEMETRY=off REDOCLY_\S+=true redocly lint /m)
    const command = [join(root, 'node_modules/.bin/redocly'), 'lint', '--format=stylish']
    const { status, output } = await lint(command, '"code": "insufficient_stock"', '"code": 409')
    assert.equal(status, 1)
    assert.match(output, /no-invalid-media-type-examples/)
  })
})
