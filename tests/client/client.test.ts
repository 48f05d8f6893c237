import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compile, openClient } from './generated-client.ts'

describe('a TypeScript client generated from the OpenAPI documents', () => {
  it('compiles', async () => {
    await using client = await openClient()
    assert.equal(compile(client.path), '')
  })

  it('does not compile if a parameter with a default is required', async () => {
    await using client = await openClient(({ paths }) => {
      for (const { parameters = [] } of Object.values(paths).flatMap(Object.values))
        for (const parameter of parameters) if (parameter.name === 'limit') parameter.required = true
    })
    assert.match(compile(client.path), /^shop\.ts\(\d+,\d+\): error TS/m)
  })
})
