/** Address patterns for the schemas of environment variables. */

const port = '([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])'

/** `host:port`, where the host is a name, an IPv4 address, or an IPv6 address in brackets. */
export const hostPort = `([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\]):${port}`

/** `name:port`. The name must contain a letter, so that IP addresses do not match. */
export const namePort = `[A-Za-z0-9._-]*[A-Za-z][A-Za-z0-9._-]*:${port}`

/** Splits a comma-separated string of addresses, each of which matches `hostPort`. */
export const addressesIn = (text: string): { host: string; port: number }[] =>
  text.split(',').map((entry) => {
    const [, host = '', digits] = /^\[?(.*?)\]?:(\d+)$/.exec(entry) ?? []
    return { host, port: Number(digits) }
  })
