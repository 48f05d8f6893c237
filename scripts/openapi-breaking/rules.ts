/** Each rule has the severity `error` in oasdiff's checks too, unless it says otherwise. */
export const rules = {
  'document-removed': 'a released document must stay',
  'path-removed': 'a released path must stay',
  'method-removed': 'a released method must stay',
  // oasdiff warns only.
  'parameter-removed': 'a released parameter must stay',
  'parameter-required': 'a request without the parameter was valid',
  'parameter-changed': 'the parameter is sent as the release documents it',
  'body-removed': 'a released request body must stay',
  'body-required': 'a request without a body was valid',
  'media-type-removed': 'a released media type must stay',
  // oasdiff ignores statuses of errors by default. Here their codes and statuses are part of the contract.
  'response-removed': 'a released response status must stay',
  'header-optional': 'clients rely on a required response header',
  'security-added': 'a request without these credentials was valid',
  // oasdiff warns only.
  'request-property-removed': 'clients send it, and expect that it takes effect',
  'request-property-required': 'a request without it was valid',
  'request-narrowed': 'a valid request is now refused',
  'response-property-optional': 'clients rely on a required property',
  'response-widened': 'clients may get a value that the release excludes',
  'not-comparable': 'this check does not know the keyword: extend it, or undo the change',
} as const

type Rule = keyof typeof rules

/** One incompatible change: what changed, and the rule that it breaks. */
export type Change = Readonly<{ what: string; rule: Rule }>
