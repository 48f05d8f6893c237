import { connect } from 'node:net'

/** The responses in what was received so far: their status and body. */
const responsesIn = (received: string): string[] => {
  const found: string[] = []
  let rest = received
  for (;;) {
    const [head = '', ...others] = rest.split('\r\n\r\n')
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
    const content = others.join('\r\n\r\n')
    if (others.length === 0 || content.length < length) return found
    found.push(`${head.slice(9, 12)} ${content.slice(0, length)}`)
    rest = content.slice(length)
  }
}

/** Sends all requests at once on one connection. Resolves with their responses. */
export const pipelined = async (url: string, requests: readonly string[]): Promise<string[]> => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8')
  let received = ''
  socket.write(requests.join(''))
  for await (const chunk of socket) {
    received += chunk
    if (responsesIn(received).length >= requests.length) break
  }
  socket.destroy()
  return responsesIn(received)
}
