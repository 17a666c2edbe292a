/**
 * Unicode's controls of direction in what others wrote. One of them makes a name or a reason read as another, also over the
 * border of its element, so a page shows them by their numbers. The console's own words hold none.
 */

/** Bidi_Control: marks, embeddings, overrides and isolates. */
const turning = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;

/** `[U+202E]` in place of a control; to be applied to a whole page, where nothing can be forgotten. */
export const withVisibleTurns = (page: string): string =>
  page.replace(
    turning,
    (control) => `[U+${control.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
  );
