import { join } from 'node:path'

/** For `openssl`: makes a certificate for 127.0.0.1, which only those trust who have it, and its key, in the folder. */
export const certificateArguments = (folder: string): string[] => [
  'req',
  '-x509',
  '-newkey',
  'rsa:2048',
  '-nodes',
  '-days',
  '1',
  '-subj',
  '/CN=test',
  '-addext',
  'subjectAltName=IP:127.0.0.1',
  '-keyout',
  join(folder, 'server.key'),
  '-out',
  join(folder, 'server.crt'),
]
