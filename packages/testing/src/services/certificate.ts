import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A certificate and its key for such a name (`DNS:localhost`, `IP:127.0.0.1`), as files in the folder: only those trust it who have it. */
export const makeCertificate = async (
  folder: string,
  name: string,
  owner: Readonly<{ uid?: number; gid?: number }> = {},
): Promise<{ certificate: string; key: string }> => {
  const certificate = join(folder, 'server.crt')
  const key = join(folder, 'server.key')
  const subject = ['-days', '1', '-subj', '/CN=test', '-addext', `subjectAltName=${name}`]
  await promisify(execFile)(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, '-keyout', key, '-out', certificate],
    { cwd: folder, ...owner },
  )
  return { certificate, key }
}
