import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

/**
 * Writes a self-signed certificate and its key to the folder. `name` is what the certificate is valid for, such as
 * `DNS:localhost` or `IP:127.0.0.1`. `owner` owns the files, by default the current user.
 */
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
