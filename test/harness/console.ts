import { type Browser, createBrowser, signIn } from './browser.ts';
import { bootstrapKey, type Scene } from './gateway.ts';
import type { Answer } from './http.ts';

/** A person at the console, without a real browser: pages as text, forms as they are posted. */
export interface ConsoleVisit {
  readonly browser: Browser;
  readonly origin: string;
  open(path: string, headers?: Record<string, string>): Promise<Answer>;
  /** Posts a form with the token that the session's pages carry, and follows to the page that it leads to. */
  post(path: string, form?: Record<string, string>): Promise<Answer & { readonly url: string }>;
}

export const adminOrigin = (scene: Pick<Scene, 'gateway'>): string =>
  `https://localhost:${new URL(scene.gateway.admin).port}`;

/** An API key with a name of its own. The bootstrap key, which makes the first one, opens nothing from then on. */
export const newKey = async (
  scene: Pick<Scene, 'api'>,
  role: string,
  by?: string,
): Promise<{ readonly id: string; readonly key: string }> =>
  (await scene.api('POST', '/keys', { name: crypto.randomUUID(), role }, by)).json;

export async function visitConsole(
  scene: Pick<Scene, 'gateway' | 'trust'>,
  key: string = bootstrapKey,
): Promise<ConsoleVisit> {
  const origin = adminOrigin(scene);
  const browser = createBrowser([scene.trust]);
  const entered = await browser.submit(`${origin}/sign-in/key`, { key });
  if (entered.status !== 303) throw new Error(`signing in by a key: ${entered.status} ${entered.text}`);
  return visitOf(browser, origin);
}

/** The same of a person whom the simulated Microsoft signs in. */
export async function visitConsoleByEntra(
  scene: Pick<Scene, 'gateway' | 'trust' | 'world'>,
  account: string,
): Promise<ConsoleVisit> {
  const origin = adminOrigin(scene);
  const browser = createBrowser([scene.trust, scene.world.authority.certificatePem]);
  const page = await signIn(browser, origin, account);
  if (page.status !== 200) throw new Error(`signing in by Entra: ${page.status} ${page.text}`);
  return visitOf(browser, origin);
}

/** What a browser that is signed in does. */
async function visitOf(browser: Browser, origin: string): Promise<ConsoleVisit> {
  const me = await browser.open(`${origin}/api/v1/session`, { accept: 'application/json' });
  const csrf: string = me.json.session.csrfToken;
  return {
    browser,
    origin,
    open: (path, headers) => browser.open(origin + path, headers),
    post: async (path, form = {}) => {
      const url = origin + path;
      return browser.follow(await browser.submit(url, { csrf, ...form }), url);
    },
  };
}

/** What others may write into a text, to see that a page shows it as text. */
export const hostile = `<b id=x>"'& hx-get=/x`;
/** Of it, what a page must not hold. */
export const unescaped = /<b id=x|"'& hx-get/;
