import type { Client } from './client.ts'

/** What refuses more: the client has used up its share, or all clients together the total. */
export type Exceeded = 'client' | 'total'

/**
 * An amount that the clients of this process share, such as bytes or connections. One client has at most its share, so
 * that the others always find some left. Clients without an identity, which are trusted proxies, have no share: only
 * the total limits them.
 */
export const createBudget = ({ total, share }: Readonly<{ total: number; share: number }>) => {
  const byClient = new Map<string, number>()
  let used = 0
  const usedBy = (client: Client): number => (client === undefined ? 0 : (byClient.get(client) ?? 0))

  const add = (client: Client, amount: number): void => {
    used += amount
    if (client === undefined) return
    const sum = usedBy(client) + amount
    if (sum === 0) byClient.delete(client)
    else byClient.set(client, sum)
  }

  return {
    /** Takes the amount, or returns why it cannot be taken. Whatever is taken must be given back. */
    take: (client: Client, amount = 1): Exceeded | undefined => {
      if (client !== undefined && usedBy(client) + amount > share) return 'client'
      if (used + amount > total) return 'total'
      add(client, amount)
      return undefined
    },
    /** Takes the amount even if that exceeds the limits, for work that has already been accepted. */
    takeAnyway: (client: Client, amount = 1): void => add(client, amount),
    giveBack: (client: Client, amount = 1): void => add(client, -amount),
    used: (): number => used,
    usedBy,
    total,
    share,
  }
}

export type Budget = ReturnType<typeof createBudget>
