import { readFileSync } from 'node:fs'

/** Options of `spawn`. PostgreSQL and PgBouncer refuse to run as root, so root runs them as the user `postgres`. */
export const postgresUser = (): { uid?: number; gid?: number } => {
  if (process.getuid?.() !== 0) return {}
  const [, uid, gid] = /^postgres:[^:]*:(\d+):(\d+)/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? []
  return { uid: Number(uid), gid: Number(gid) }
}
