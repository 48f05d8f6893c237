import assert from 'node:assert/strict'
import { Ajv } from 'ajv'

/** Checks the schema against the schema of schemas, which the services do not do when they start. */
export const assertValidSchema = (schema: object): void => {
  const ajv = new Ajv()
  assert.ok(ajv.validateSchema(schema), ajv.errorsText())
}
