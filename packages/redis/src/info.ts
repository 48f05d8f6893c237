/** A numeric field of the INFO reply; 0 if the field is missing. */
export const infoNumber = (info: string, name: string): number =>
  Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0)
