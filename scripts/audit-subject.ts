/** Prints what stands for a subject or user id in the lines of the audit log. */

import { readAuditKey } from '@shop/platform/audit/config.ts'
import { createPseudonyms } from '@shop/platform/audit/pseudonyms.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'

await run(async () => {
  const key = readAuditKey(process.env)
  if (key === undefined) throw new OperatorError('Set AUDIT_KEY_FILE or AUDIT_KEY as the services have it.')
  const subject = process.env['SUBJECT'] ?? ''
  if (subject === '')
    throw new OperatorError(
      'Set SUBJECT to the subject or user_id, as in:\n\n  make -s audit-subject SUBJECT=ann',
    )
  process.stdout.write(`${createPseudonyms(key)(subject)}\n`)
})
