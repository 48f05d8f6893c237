import { forbidden, internal, type Policy, type Rule, unauthenticated } from '@shop/kernel/policy.ts'
import { hasScope, type Principal } from '@shop/kernel/principal.ts'
import { isGuestId, isUserId } from '../domain/user-id.ts'
import type { UseCases } from './use-cases.ts'

/** The scope that allows every basket. */
const anyBasket = 'baskets:any'

const errors = {
  noGuests: forbidden('baskets of guests are switched off'),
  noCredentials: unauthenticated(`this basket needs credentials of its user, or with the scope ${anyBasket}`),
  unsuitableSubject: forbidden(
    'the subject of the token cannot be a user id: 1 to 128 characters of A-Z a-z 0-9 . _ : @ | -, which do not begin with guest:',
  ),
  otherUser: forbidden(`the basket of another user needs the scope ${anyBasket}`, anyBasket),
} as const

const isSuitable = (subject: string): boolean => isUserId(subject) && !isGuestId(subject)

/** The refusal of a caller without the scope for all baskets. A subject is compared as it is: to change it could make two the same. */
const refusalOf = (principal: Principal, userId: string, guests: boolean) => {
  if (isGuestId(userId)) return guests ? undefined : errors.noGuests
  if (principal.kind === 'anonymous') return errors.noCredentials
  if (principal.kind !== 'user') return errors.otherUser
  if (!isSuitable(principal.subject)) return errors.unsuitableSubject
  return principal.subject === userId ? undefined : errors.otherUser
}

/** For the basket of a user: that user, and callers with the scope. For the basket of a guest: everybody who knows its id. */
const owner = (guests: boolean): Rule<Readonly<{ userId: string }>> => ({
  access: { ownerOr: anyBasket },
  refusal: (principal, { userId }) =>
    hasScope(principal, anyBasket) ? undefined : refusalOf(principal, userId, guests),
})

/** Everybody may, unless the baskets of guests are switched off: then nobody may, so that no new ones come into being. */
const newGuest = (guests: boolean): Rule<unknown> => ({
  access: 'anybody',
  refusal: () => (guests ? undefined : errors.noGuests),
})

type PolicyOptions = Readonly<{
  /** Whether baskets of guests may be used. */
  guests: boolean
}>

/** Who may call each use case. */
export const policyOf = ({ guests }: PolicyOptions) => {
  const ofUser = owner(guests)
  return {
    createBasket: ofUser,
    createGuestBasket: newGuest(guests),
    addItem: ofUser,
    addItems: ofUser,
    setQuantity: ofUser,
    setQuantities: ofUser,
    removeItem: ofUser,
    clearBasket: ofUser,
    deleteBasket: ofUser,
    getBasket: ofUser,
    removeExpiredBaskets: internal,
    basketStatistics: internal,
  } satisfies Policy<UseCases>
}
