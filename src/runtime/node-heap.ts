import { setFlagsFromString } from 'node:v8';

/**
 * Bounds what V8 takes for new objects while many short-lived ones are made. It doubles that space, up to some hundred
 * megabytes with what it copies, as long as a few objects survive a collection, and does not give it back while there is work:
 * an import of a million routes then has 250 MB resident of which 30 are used.
 */

/** V8 reads it whenever the space could grow; 2 is its own value. */
const growth = (factor: 1 | 2): void => setFlagsFromString(`--semi-space-growth-factor=${factor}`);

let holders = 0;

/** The space does not grow until what this returns was called, as often as this was. */
export function keepHeapSmall(): () => void {
  holders += 1;
  if (holders === 1) growth(1);
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    holders -= 1;
    if (holders === 0) growth(2);
  };
}
