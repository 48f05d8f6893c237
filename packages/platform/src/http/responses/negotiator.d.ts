// The package has no types; these are the methods in use.
declare module 'negotiator' {
  export default class Negotiator {
    constructor(request: { headers: { accept?: string; 'accept-encoding'?: string } })
    /** Returns the acceptable ones of `available`, best first. `preferred` decides between equal q-values. */
    encodings: <Coding extends string>(
      available: readonly Coding[],
      options: { preferred: readonly Coding[] },
    ) => Coding[]
    mediaTypes: <Type extends string>(available: readonly Type[]) => Type[]
  }
}
