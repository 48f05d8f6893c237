/** Returns the first word of the statement, in its original case. */
export const operationOf = (statement: string): string => /\w+/.exec(statement)?.[0] ?? ''
