/**
 * Returns false if the server or program is available, otherwise the reason to skip the tests that need it.
 * With CI=true it throws instead, so that no test is skipped.
 */
export const unlessReachable = async (
  name: string,
  probe: () => Promise<unknown>,
): Promise<string | false> => {
  try {
    await probe()
    return false
  } catch (cause) {
    if (process.env['CI'] === 'true') throw new Error(`${name} not available, and CI=true`, { cause })
    return `${name} not available`
  }
}
