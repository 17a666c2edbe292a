/** Computes how many columns of a terminal a text takes, after Unicode's East Asian Width and emoji presentation. */

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Ranges of East_Asian_Width W and F as terminals draw them; emoji come by their property. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]/u;
const emoji = /\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f/u;
const invisible = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;
const plain = /^[ -~]*$/;

const widthOfGrapheme = (grapheme: string): number => {
  if (invisible.test(grapheme)) return 0;
  return wide.test(grapheme) || emoji.test(grapheme) ? 2 : 1;
};

export function displayWidth(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += widthOfGrapheme(segment);
  return width;
}

const ellipsis = '…';

/** The text itself where it fits, else its beginning and `…`, never half of a character. */
export function fitTo(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const next = widthOfGrapheme(segment);
    if (used + next > width - 1) break;
    kept += segment;
    used += next;
  }
  return width > 0 ? kept + ellipsis : '';
}

export const padTo = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - displayWidth(text)));

/**
 * Names that other people chose are shown in a terminal: escape sequences and characters that turn the direction of
 * writing would let them draw over other lines.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to go
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

export const safeText = (text: string): string => text.replace(/\r?\n|\t/g, ' ').replace(unsafe, '\u{fffd}');
