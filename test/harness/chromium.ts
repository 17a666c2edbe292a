import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';

/** A real browser, Debian's chromium where `npm run test:browser` runs in CI. */

/** The first has the same engine and no window to draw: half of the other's processor time. */
const names = [
  'chromium-headless-shell',
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
];

/** Undefined: this machine has none, and the tests of pages are skipped. */
export const browserPath: string | undefined =
  process.env.ESPALIER_TESTED_BROWSER ??
  names
    .map((name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim())
    .find((path) => path !== '');

export const openBrowser = (): Promise<Browser> => {
  if (browserPath === undefined) throw new Error(`none of ${names.join(', ')} is installed`);
  // As root, as in CI, chromium has no sandbox of its own; it opens our own pages only.
  return chromium.launch({ executablePath: browserPath, args: ['--no-sandbox', '--disable-gpu'] });
};

/** What a page did that it must not: faults of its scripts and policy, and requests to somewhere else. */
export interface WatchedContext {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly faults: readonly string[];
}

export async function openContext(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<WatchedContext> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const faults: string[] = [];
  context.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`)) faults.push(`asks ${request.url()}`);
  });
  context.on('console', (message) => {
    // A page that is refused on purpose is in the log as well; the tests look at its status.
    if (message.type() === 'error' && !/^Failed to load resource: the server responded/.test(message.text()))
      faults.push(`says ${message.text()}`);
  });
  context.on('weberror', (error) => faults.push(`throws ${error.error().message}`));
  return { context, page: await context.newPage(), faults };
}

/** Opens a context for one walk, and closes it whatever comes of the walk. */
export async function withinContext<T>(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions,
  work: (opened: WatchedContext) => Promise<T>,
): Promise<T> {
  const opened = await openContext(browser, origin, options);
  try {
    return await work(opened);
  } finally {
    await opened.context.close();
  }
}

/** Signs in as a person with an API key does, which leads to the overview. */
export async function signInByKey(page: Page, origin: string, key: string): Promise<void> {
  await page.goto(`${origin}/sign-in`);
  await page.fill('#key', key);
  await page.click('form.key button');
  await page.waitForURL(`${origin}/`);
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The rules of axe-core that look at colours. */
export const ofColours: readonly string[] = ['color-contrast', 'link-in-text-block'];

/** Violations of axe-core of any severity, of all its rules unless some are named, as `rule: element`. */
export async function violationsOf(page: Page, rules?: readonly string[]): Promise<string[]> {
  // By the browser's own door for tests: the policy of the page forbids any other script, as it should.
  const session = await page.context().newCDPSession(page);
  try {
    await session.send('Runtime.evaluate', { expression: axe });
    const { result } = await session.send('Runtime.evaluate', {
      expression: `axe.run(${JSON.stringify({ resultTypes: ['violations'], ...(rules && { runOnly: rules }) })}).then(({ violations }) => JSON.stringify(
        violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html.slice(0, 160) + ' ' + failureSummary.slice(0, 300)))))`,
      awaitPromise: true,
      returnByValue: true,
    });
    return JSON.parse(String(result.value));
  } finally {
    await session.detach();
  }
}
