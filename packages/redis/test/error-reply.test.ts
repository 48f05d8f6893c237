import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ErrorReply } from '@redis/client'
import { refusalOf, refusedCommandOf, withoutArguments } from '../src/error-reply.ts'

const texts = [
  // Redis 7 and Valkey, then Redis 6.2.
  ["ERR unknown command 'GET', with args beginning with: 'key:alice' ", "ERR unknown command 'GET'"],
  ['ERR unknown command `GET`, with args beginning with: `key:alice`, ', 'ERR unknown command `GET`'],
  ["ERR unknown command 'GET', with args beginning with: 'key:a|alice' ", "ERR unknown command 'GET'"],
  ["ERR unknown subcommand 'LOAD'. Try SCRIPT HELP.", 'ERR unknown subcommand'],
  ["ERR value is not valid: 'key:alice'", 'ERR value is not valid:'],
  ["ERR value is not valid: 'key:a|alice' command", 'ERR value is not valid:'],
  ['ERR value is not valid: "key:alice" for command \'set\'', 'ERR value is not valid:'],
  ["NOPERM User web has no permissions to run the 'get' command"],
  ["READONLY You can't write against a read only replica."],
  ["OOM command not allowed when used memory > 'maxmemory'."],
  ['ERR DB index is out of range'],
  ['MOVED 3999 [::1]:6381'],
] as const

describe('error replies', () => {
  for (const [text, expected = text] of texts)
    test(`keep no arguments: ${text}`, () => {
      const cut = withoutArguments(new ErrorReply(text))
      assert.ok(cut instanceof ErrorReply)
      assert.equal(cut.message, expected)
      assert.doesNotMatch(String(cut.stack), /alice/)
    })

  test('name the refusal and the command, in the words of Redis 6.2 and 7', () => {
    const refusals = [
      "ERR unknown command 'EVALSHA', with args beginning with: '8a' ",
      'ERR unknown command `EVALSHA`, with args beginning with: `8a`, ',
      '@user_script: 4: Unknown Redis command called from Lua script',
      'ERR Unknown Redis command called from script script: 8a, on @user_script:4.',
      "NOPERM this user has no permissions to run the 'get' command or its subcommand",
      "ERR The user executing the script can't run this command or subcommand script: 8a, on @user_script:4.",
      "ERR ACL failure in script: User web has no permissions to run the 'del' command",
      'ERR DB index is out of range',
    ].map((text) => new ErrorReply(text))
    assert.deepEqual(
      refusals.map((error) => [refusalOf(error), refusedCommandOf(error)]),
      [
        ['UNKNOWN', 'evalsha'],
        ['UNKNOWN', 'evalsha'],
        ['UNKNOWN', undefined],
        ['UNKNOWN', undefined],
        ['NOPERM', 'get'],
        ['NOPERM', undefined],
        ['NOPERM', 'del'],
        ['ERR', undefined],
      ],
    )
  })
})
