import { lstatSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Static, type TObject, Type } from 'typebox'
import type { Environment } from './environment.ts'
import { OperatorError } from './operator-error.ts'
import { compileSchema, textReader } from './schema.ts'
import { fileVariable, readSecretFiles } from './secret-files.ts'

export type { Environment }

/**
 * The configuration is invalid. The message lists all problems, but no values, because they may be secrets.
 */
export class ConfigError extends OperatorError {
  override readonly name = 'ConfigError'
  /** EX_CONFIG of sysexits.h. */
  override readonly exitCode = 78
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(['Invalid configuration:', ...problems.map((problem) => `  - ${problem}`)].join('\n'))
    this.problems = problems
  }
}

export const port = (defaultPort: number) =>
  Type.Integer({ minimum: 1, maximum: 65_535, default: defaultPort })

/** Schema of a port that is not used unless the variable is set. */
export const optionalPort = Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 }))

/** Schema of an on/off variable; `isOn` converts its value to a boolean. */
export const toggle = (defaultState: 'on' | 'off') => Type.Enum(['on', 'off'], { default: defaultState })

/** Schema of an on/off variable whose default depends on other variables. */
export const optionalToggle = Type.Optional(Type.Enum(['on', 'off']))

export const isOn = (state: 'on' | 'off'): boolean => state === 'on'

/** Marks a variable whose value may contain credentials and must not be logged. */
export const secret = { writeOnly: true }

/** The names of the variables marked as `secret`. Each may be given in a file instead: see `readVariables`. */
export const secretsIn = ({ properties }: TObject): string[] =>
  Object.keys(properties).filter((name) => {
    const schema = properties[name]
    return schema !== undefined && 'writeOnly' in schema
  })

const isFile = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true
  } catch {
    return false
  }
}

/** Whether the path is a folder, or its nearest existing ancestor is one. */
const canBeFolder = (path: string): boolean => {
  try {
    // A link to nowhere exists for `lstatSync` only. No folder can be created in its place.
    const entry = statSync(path, { throwIfNoEntry: false }) ?? lstatSync(path, { throwIfNoEntry: false })
    return entry === undefined ? canBeFolder(dirname(path)) : entry.isDirectory()
  } catch {
    return false
  }
}

/** A rule for `readVariables`: the variable, if set, names an existing file. */
export const mustBeFile = (name: string, path: string | undefined): string | false =>
  path !== undefined && !isFile(path) && `${name} must name an existing file`

/** A rule for `readVariables`: the variable, if set, names a folder, or a path where one can be created. */
export const mustBeFolder = (name: string, path: string | undefined): string | false =>
  path !== undefined &&
  !canBeFolder(resolve(path)) &&
  `${name} must name a folder, or a path where one can be created`

/** The length of a file name is 255 bytes; the log adds a number. */
const maxNameBytes = 200

/** Whether the text names a file inside of any folder, on every operating system. */
const isFileName = (text: string): boolean =>
  !/^\.{1,2}$|[/\\<>:"|?*]|\p{Cc}/u.test(text) && Buffer.byteLength(text) <= maxNameBytes

/** A rule for `readVariables`: the variable, if set, is the name of a file, and not a path. */
export const mustBeFileName = (name: string, text: string | undefined): string | false =>
  text !== undefined &&
  !isFileName(text) &&
  `${name} must be the name of a file, not a path: at most ${maxNameBytes} bytes, none of / \\ < > : " | ? * and no control character, and neither . nor ..`

/** A rule for `readVariables`: the variable, if set, is a URL. */
export const mustBeUrl = (name: string, url: string | undefined): string | false =>
  url !== undefined && !URL.canParse(url) && `${name} must be a URL`

/** Says so if the value of the variable that the problem is about comes from a file. */
const withSource = (problem: string, fileValues: Readonly<Record<string, string>>): string => {
  const [name = ''] = problem.split(' ', 1)
  return name in fileValues ? problem.replace(name, () => `${name} (from ${fileVariable(name)})`) : problem
}

/**
 * Reads the variables of `schema` from the environment; an empty variable counts as unset. A secret variable may be in a
 * file that `…_FILE` names. `rules` adds checks that the schema cannot express; they run even if a value violates the
 * schema. Throws a `ConfigError` with all problems.
 */
export const readVariables = <Schema extends TObject>(
  schema: Schema,
  environment: Environment,
  rules: (variables: Static<Schema>) => readonly (string | false)[] = () => [],
): Static<Schema> => {
  const files = readSecretFiles(secretsIn(schema), environment)
  const entries = Object.entries({ ...environment, ...files.values }).filter(
    ([name, text]) => name in schema.properties && text !== '',
  )
  const variables = textReader(schema)(Object.fromEntries(entries))
  const problems = compileSchema(schema)(variables).map(({ path, message }) => `${path.slice(1)} ${message}`)
  // The cast is correct if the schema reports no problems. Otherwise the rules run only to list all problems.
  const typed = variables as Static<Schema>
  const allProblems = [...problems, ...rules(typed).filter((problem) => problem !== false)]
    .map((problem) => withSource(problem, files.values))
    .concat(files.problems)
  if (allProblems.length > 0) throw new ConfigError(allProblems)
  return typed
}
