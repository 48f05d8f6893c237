/**
 * False when the server answers, else the reason to skip what needs it. Under CI=true nothing is skipped: the missing
 * server is an error.
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
