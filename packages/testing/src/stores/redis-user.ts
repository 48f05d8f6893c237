import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../files.ts'

/** The Redis user from docs/redis.md, with the commands that it may run. */
export const documentedUser = () => {
  const page = readFileSync(join(root, 'docs/redis.md'), 'utf8')
  const [, name, password, rest] = /^ACL SETUSER (\w+) on >(\w+) (.+)$/m.exec(page) ?? []
  assert.ok(name && password && rest)
  const rules = rest.split(' ')
  const commands = rules.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1))
  return { name, password, rules, commands }
}

export const setUserCommand = ({ name, password, rules }: ReturnType<typeof documentedUser>): string[] => [
  'ACL',
  'SETUSER',
  name,
  'on',
  `>${password}`,
  ...rules,
]
