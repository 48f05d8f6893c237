declare module 'pg/lib/utils.js' {
  /** Converts a value to the one that the driver sends. */
  export const prepareValue: (value: unknown) => unknown
}
