/**
 * The times of a Poisson process with `rate` events per second, in milliseconds from its start: users who know
 * nothing of each other arrive like this, whether the server answers or not.
 */
export function* arrivalTimes(rate: number, random: () => number = Math.random): Generator<number, never> {
  for (let time = 0; ; ) {
    time += (-Math.log(1 - random()) / rate) * 1_000
    yield time
  }
}
