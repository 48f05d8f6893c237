import type { FastifyRequest } from 'fastify'
import { isGuestId } from '../../domain/user-id.ts'

/** Returns a function that finds the guest whose basket a request names, if that guest is known. */
export const knownGuestOf =
  (isKnown: (userId: string) => boolean) =>
  ({ params }: FastifyRequest): string | undefined => {
    const { user_id: userId } = params as Readonly<{ user_id?: string }>
    return userId !== undefined && isGuestId(userId) && isKnown(userId) ? userId : undefined
  }
