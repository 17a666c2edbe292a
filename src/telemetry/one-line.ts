// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const lineBreakers = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/**
 * Foreign text as it may stand in a log line or an answer: one line stays one line, for a name or value with a line
 * break in it could forge an entry. Runs of control characters and line separators become one space each.
 */
export function oneLine(text: string, maxCharacters: number): string {
  return text.replaceAll(lineBreakers, ' ').slice(0, maxCharacters);
}

/** The text before its first control character or line separator: Entra's descriptions go on with ids and times. */
export function firstLine(text: string): string {
  return text.split(lineBreakers, 1)[0] ?? '';
}
