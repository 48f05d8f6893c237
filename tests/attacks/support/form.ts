/**
 * The short form, in `make test`, attacks with small numbers, and only counts decide. The long form, `make attack`, uses
 * the numbers of the review that found the attacks, and latencies decide too.
 */
export const isLong = process.env['ATTACK'] === 'long'

export const sized = <Value>(short: Value, long: Value): Value => (isLong ? long : short)

/** For `skip`: other systems have neither /proc nor the whole of 127.0.0.0/8 on loopback. */
export const needsLinux = process.platform === 'linux' ? false : 'needs Linux'

/**
 * The memory that a service may use in a container with 384 MiB. In the short form, where one process withstands all
 * attacks after each other, that is all of it: what an attack leaves behind is given back later.
 */
export const maxMebibytes = sized(384, 300)

/** The machines of CI are shared with others. */
export const latenciesDecide = isLong && process.env['CI'] !== 'true'

/** How long an innocent client may wait, in milliseconds. */
export const maxP99 = 250

/** The addresses of loopback that the clients use. The services call each other from 127.0.0.1. */
export const innocentAddress = '127.0.0.2'
export const newcomerAddress = '127.0.0.3'

/** The addresses of one attacker: the first, or one of many if it has a network. */
export type Attacker = (index?: number) => string

export const attackerOf =
  (number: number): Attacker =>
  (index = 0) =>
    `127.${20 + number}.${Math.floor(index / 250)}.${1 + (index % 250)}`
