import type { Page } from 'playwright-core';

/** A page as somebody without a mouse has it: where Tab leads, and whether it is seen where one is. */

/** In the page: all that takes the keyboard, in the order of the document. */
const focusable = `[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
  .filter((one) => !one.disabled && one.checkVisibility({ visibilityProperty: true }))`;
/** In the page: what something that takes the keyboard is called. */
const nameOf = `(one) => (one.getAttribute('aria-label') ?? (one.labels?.[0] ?? one).innerText).trim().replaceAll(/\\s+/g, ' ')`;

/** Where the keyboard is: its place in the list, and whether a person sees it there. */
interface Place {
  readonly index: number;
  readonly name: string;
  readonly isSeen: boolean;
}

const place = (page: Page): Promise<Place> =>
  page.evaluate<Place>(`(async () => {
    const one = document.activeElement;
    // The page is scrolled to where the keyboard is before the next frame.
    for (let frame = 0; frame < 2; frame += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    const { bottom, left, right, top } = one.getBoundingClientRect();
    const isIn = bottom > 0 && right > 0 && top < innerHeight && left < innerWidth;
    const middle = [(Math.max(0, left) + Math.min(innerWidth, right)) / 2, (Math.max(0, top) + Math.min(innerHeight, bottom)) / 2];
    const above = isIn ? document.elementFromPoint(...middle) : null;
    return {
      index: (${focusable}).indexOf(one),
      name: (${nameOf})(one).slice(0, 60),
      isSeen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 && (one.contains(above) || above?.contains(one) === true),
    };
  })()`);

const mostStops = 300;

/** Presses Tab from the beginning of the page until it is left or begins anew. Names are those of the document's order. */
export async function focusOrder(page: Page): Promise<{
  readonly whole: readonly string[];
  readonly visited: readonly string[];
  readonly unseen: readonly string[];
}> {
  const whole = await page.evaluate<string[]>(`(${focusable}).map((one) => (${nameOf})(one).slice(0, 60))`);
  // Blurring alone would go on from where the keyboard was.
  await page.evaluate(
    `document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); scrollTo(0, 0)`,
  );
  const visited: string[] = [];
  const unseen: string[] = [];
  let last = -1;
  for (let stop = 0; stop < mostStops; stop += 1) {
    await page.keyboard.press('Tab');
    const { index, isSeen, name } = await place(page);
    if (index === -1 || (index === 0 && last > 0)) break;
    // A field of a date has several stops of its own.
    if (index !== last) visited.push(name);
    if (!isSeen && index !== last) unseen.push(name);
    last = index;
  }
  return { whole, visited, unseen };
}

/** Presses Tab until what is called so has the keyboard. */
export async function tabTo(page: Page, wanted: string, { begins = false } = {}): Promise<void> {
  const passed: string[] = [];
  for (let stop = 0; stop < mostStops; stop += 1) {
    await page.keyboard.press('Tab');
    const { name } = await place(page);
    if (begins ? name.startsWith(wanted) : name === wanted.slice(0, 60)) return;
    passed.push(name);
  }
  throw new Error(`Tab does not lead to "${wanted}", only to ${passed.join(' | ')}`);
}
