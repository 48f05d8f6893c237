/** A field of the INFO reply; undefined if it is missing. */
export const infoField = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]

/** A numeric field of the INFO reply; 0 if the field is missing. */
export const infoNumber = (info: string, name: string): number => Number(infoField(info, name) ?? 0)
