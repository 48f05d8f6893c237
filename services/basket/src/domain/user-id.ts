/** `.` and `..` are not allowed, because URLs cannot contain them as parts of a path (RFC 3986 §5.2.4). */
export const userIdForm = {
  // Without a lookahead, which many clients' libraries for regular expressions lack.
  pattern: '^(\\.{0,2}[A-Za-z0-9_:@|-]|\\.{3})[A-Za-z0-9._:@|-]*$',
  maxLength: 128,
} as const

const form = new RegExp(userIdForm.pattern)

export const isUserId = (text: string): boolean => text.length <= userIdForm.maxLength && form.test(text)

const guestPrefix = 'guest:'

/** Whether the id is that of a guest: a secret that the service made, and whoever knows it may use the basket. Case counts. */
export const isGuestId = (userId: string): boolean => userId.startsWith(guestPrefix)

export const guestId = (secret: string): string => `${guestPrefix}${secret}`

/** Also finds the id of a guest within a longer text, and with a prefix in another case, such as in a misspelt path. */
export const containsGuestId = (text: string): boolean => isGuestId(text) || /guest:[\w-]{22}/i.test(text)
