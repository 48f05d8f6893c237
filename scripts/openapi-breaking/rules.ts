/**
 * Rule → its explanation. oasdiff gives every rule the severity `error` too, unless a comment says otherwise.
 */
export const rules = {
  'document-removed': 'a released document must stay',
  'path-removed': 'a released path must stay',
  'method-removed': 'a released method must stay',
  // oasdiff only warns.
  'parameter-removed': 'a released parameter must stay',
  'parameter-required': 'a request without the parameter was valid',
  'parameter-changed': 'clients send the parameter as the release documents it',
  'body-removed': 'a released request body must stay',
  'body-required': 'a request without a body was valid',
  'media-type-removed': 'a released media type must stay',
  // By default, oasdiff ignores error statuses. Here, error codes and statuses are part of the contract.
  'response-removed': 'a released response status must stay',
  'header-optional': 'clients rely on a required response header',
  'security-added': 'a request without these credentials was valid',
  // oasdiff only warns.
  'request-property-removed': 'clients send the property, and expect it to take effect',
  'request-property-required': 'a request without the property was valid',
  'request-narrowed': 'a request that was valid is now rejected',
  'response-property-optional': 'clients rely on a required property',
  'response-widened': 'clients may receive a value that the release excludes',
  'not-comparable': 'this check does not know the keyword: extend it, or undo the change',
} as const

type Rule = keyof typeof rules

/** One incompatible change: what changed, and the rule that it breaks. */
export type Change = Readonly<{ what: string; rule: Rule }>
