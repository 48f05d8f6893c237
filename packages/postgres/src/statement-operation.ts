/** The first word of the statement, as it is written there. */
export const operationOf = (statement: string): string => /\w+/.exec(statement)?.[0] ?? ''
