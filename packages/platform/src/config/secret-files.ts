import { type FileContent, readFileOnce } from './bounded-file.ts'
import type { Environment } from './environment.ts'

export const maxSecretBytes = 64 * 1024

/** The variable that names a file with the value of a secret variable. */
export const fileVariable = (name: string): string => `${name}_FILE`

/** Whether the value of the secret variable comes from a file. An empty variable counts as not set. */
export const hasFile = (environment: Environment, name: string): boolean =>
  (environment[fileVariable(name)] ?? '') !== ''

export type SecretText = Readonly<{ text: string } | { problem: string }>

const textOf = (bytes: Buffer): SecretText => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '')
    if (text.includes('\0')) return { problem: 'must name a file without NUL characters' }
    return text === '' ? { problem: 'must name a file that is not empty' } : { text }
  } catch {
    return { problem: 'must name a file with UTF-8 text' }
  }
}

/**
 * Returns the text with a secret in a file. One newline at its end does not belong to it. A problem says what the file must be,
 * and nothing of what is in it.
 */
export const secretTextIn = (content: FileContent): SecretText =>
  'bytes' in content ? textOf(content.bytes) : content

/** Reads a text with a secret. For the start of a process: it waits. */
export const readSecretFile = (path: string): SecretText => secretTextIn(readFileOnce(path, maxSecretBytes))

/**
 * Reads the secret variables whose `…_FILE` variable is set. One newline at the end of a file does not belong to the
 * value. The problems do not contain what is in the files.
 */
export const readSecretFiles = (names: readonly string[], environment: Environment) => {
  const values: Record<string, string> = {}
  const problems: string[] = []
  for (const name of names) {
    const path = environment[fileVariable(name)] ?? ''
    if (path === '') continue
    if ((environment[name] ?? '') !== '')
      problems.push(`${name} must not be set together with ${fileVariable(name)}`)
    const content = readSecretFile(path)
    if ('text' in content) values[name] = content.text
    else problems.push(`${fileVariable(name)} ${content.problem}`)
  }
  return { values, problems }
}
