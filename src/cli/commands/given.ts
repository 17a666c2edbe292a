/** Options and arguments as they were typed, by their names; each read as what its declaration made of it. */

export interface Given {
  text(name: string): string | undefined;
  number(name: string): number | undefined;
  flag(name: string): boolean;
  value(name: string): unknown;
}

/** `--display-name <text>` is `displayName`, `--no-shadow` is `shadow`. */
export function attributeOf(flags: string): string {
  const long = /--(no-)?([a-z][a-z0-9-]*)/.exec(flags)?.[2];
  if (long === undefined) throw new Error(`${flags} has no long name`);
  return long.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

export const givenOf = (values: Readonly<Record<string, unknown>>): Given => ({
  text: (name) => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  },
  number: (name) => {
    const value = values[name];
    return typeof value === 'number' ? value : undefined;
  },
  flag: (name) => values[name] === true,
  value: (name) => values[name],
});
