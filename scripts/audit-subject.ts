/** Prints what stands for a subject or user id in the lines of the audit log. */

import { auditProblems, auditVariables } from '@shop/platform/audit/config.ts'
import { createPseudonyms } from '@shop/platform/audit/pseudonyms.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { readVariables } from '@shop/platform/config/variables.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { Type } from 'typebox'

const variables = Type.Object({ ...auditVariables, SUBJECT: Type.Optional(Type.String()) })

await run(async () => {
  const { AUDIT_KEY: key, SUBJECT: subject } = readVariables(variables, process.env, (values) =>
    auditProblems({ ...values, AUTH: 'jwt' }),
  )
  if (key === undefined) throw new OperatorError('Set AUDIT_KEY_FILE or AUDIT_KEY as the services have it.')
  if (subject === undefined)
    throw new OperatorError(
      'Set SUBJECT to the subject or user_id, as in:\n\n  make -s audit-subject SUBJECT=ann',
    )
  process.stdout.write(`${createPseudonyms(key)(subject)}\n`)
})
