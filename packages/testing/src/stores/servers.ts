/**
 * Returns false if the server responds, and otherwise the reason to skip the tests that need it. With CI=true
 * it throws instead, so that no test is skipped.
 */
export const unlessReachable = async (
  name: string,
  probe: () => Promise<unknown>,
): Promise<string | false> => {
  try {
    await probe()
    return false
  } catch (cause) {
    if (process.env['CI'] === 'true') throw new Error(`${name} cannot be reached, and CI=true`, { cause })
    return `${name} cannot be reached`
  }
}
