/** A number that the server's INFO tells under this name; 0 when it does not. */
export const infoNumber = (info: string, name: string): number =>
  Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0)
