import { statSync } from 'node:fs'
import { type Static, type TObject, Type } from 'typebox'
import { OperatorError } from './operator-error.ts'
import { compileSchema, textReader } from './schema.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The configuration cannot be used. Its message lists every problem and no value, for a value may be a secret. */
export class ConfigError extends OperatorError {
  override readonly name = 'ConfigError'
  /** EX_CONFIG of sysexits.h. */
  override readonly exitCode = 78

  constructor(problems: readonly string[]) {
    super(['Invalid configuration:', ...problems.map((problem) => `  - ${problem}`)].join('\n'))
  }
}

export const port = (defaultPort: number) =>
  Type.Integer({ minimum: 1, maximum: 65_535, default: defaultPort })

/** Off or on; `isOn` makes a boolean of it. */
export const toggle = (defaultState: 'on' | 'off') => Type.Enum(['on', 'off'], { default: defaultState })

export const isOn = (state: 'on' | 'off'): boolean => state === 'on'

/** Marks a variable whose value may hold credentials: it is not to be seen in a log. */
export const secret = { writeOnly: true }

/** The names of the variables that are marked so. */
export const secretsIn = ({ properties }: TObject): string[] =>
  Object.keys(properties).filter((name) => {
    const schema = properties[name]
    return schema !== undefined && 'writeOnly' in schema
  })

/** A rule: the variable, when it is set, names a file. */
export const mustBeFile = (name: string, path: string | undefined): string | false =>
  path !== undefined &&
  !statSync(path, { throwIfNoEntry: false })?.isFile() &&
  `${name} must name an existing file`

/** A rule: the variable, when it is set, names a folder, or a place where one can be made. */
export const mustBeFolder = (name: string, path: string | undefined): string | false =>
  statSync(path ?? '', { throwIfNoEntry: false })?.isDirectory() === false &&
  `${name} must name a folder, or a path where one can be created`

/** A rule: the variable, when it is set, is a URL. */
export const mustBeUrl = (name: string, url: string | undefined): string | false =>
  url !== undefined && !URL.canParse(url) && `${name} must be a URL`

/**
 * Reads the variables of `schema` from the environment: an empty one counts as not set. `rules` adds what one variable
 * alone cannot tell; they are asked also when a value breaks the schema. Throws `ConfigError` with all problems at once.
 */
export const readVariables = <Schema extends TObject>(
  schema: Schema,
  environment: Environment,
  rules: (variables: Static<Schema>) => readonly (string | false)[] = () => [],
): Static<Schema> => {
  const given = Object.entries(environment).filter(([name, text]) => name in schema.properties && text !== '')
  const variables = textReader(schema)(Object.fromEntries(given))
  const problems = compileSchema(schema)(variables).map(({ path, message }) => `${path.slice(1)} ${message}`)
  // Without problems the values have the schema's type; with some, the rules still tell theirs.
  const typed = variables as Static<Schema>
  const broken = [...problems, ...rules(typed).filter((problem) => problem !== false)]
  if (broken.length > 0) throw new ConfigError(broken)
  return typed
}
