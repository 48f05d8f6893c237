import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { FileContent } from '../config/bounded-file.ts'

/** What a file contains, or the rule that it breaks, to be put after the name of the variable that names it. */
export type Parsed<Value> = Readonly<{ value: Value } | { problem: string }>

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** How each block begins, also one that is cut off. */
const certificateBegin = /-----BEGIN CERTIFICATE-----/g

const unreadable = { problem: 'must name a PEM file whose certificates can all be read' }

const noCertificate = { problem: 'must name a PEM file with at least one certificate' }

/** Reads the certificates of a PEM file, in their order. Other blocks, such as a key, are skipped. */
export const certificatesIn = (content: FileContent): Parsed<readonly X509Certificate[]> => {
  if ('problem' in content) return content
  const text = content.bytes.toString('latin1')
  const blocks = text.match(certificateBlock) ?? []
  // Without the rest of a file that is being written, authorities would be missing silently.
  if (blocks.length < (text.match(certificateBegin) ?? []).length) return unreadable
  try {
    const value = blocks.map((block) => new X509Certificate(block))
    return value.length === 0 ? noCertificate : { value }
  } catch {
    return unreadable
  }
}

const encrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m

/** Reads the private key of a PEM file. The problems do not contain what is in the file. */
export const privateKeyIn = (content: FileContent): Parsed<KeyObject> => {
  if ('problem' in content) return content
  const text = content.bytes.toString('latin1')
  if (encrypted.test(text))
    return { problem: 'must name a private key without a passphrase: there is no variable for one' }
  try {
    return { value: createPrivateKey(text) }
  } catch {
    return { problem: 'must name a PEM file with a private key' }
  }
}
