import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import { counted, none, signOutForm } from './parts.ts';
import type { ConsolePage, PageContent, Person } from './visit.ts';
import { personName } from './words.ts';

/** The frame of all pages of the console: menu, search, notices. It holds no inline style or script. */

/** Where a file of the console is served; its digest in the address lets browsers keep it for good. */
export type AssetPath = (name: string) => string;

export interface Frame {
  readonly asset: AssetPath;
  readonly menu: readonly ConsolePage[];
  readonly person: Person;
  /** Of the page that is shown. */
  readonly path: string;
  readonly notice?: string | undefined;
}

const isCurrent = (page: ConsolePage, path: string): boolean =>
  page.path === '/' ? path === '/' : path === page.path || path.startsWith(`${page.path}/`);

const menuOf = ({ menu, path }: Frame): Html => html`<nav aria-label="Main">
        <ul>
          ${menu.map(
            (page) =>
              html`<li><a href="${page.path}" data-go="${page.menu?.key ?? ''}"${
                isCurrent(page, path) ? html` aria-current="page"` : ''
              }>${page.menu?.label}</a></li>`,
          )}
        </ul>
      </nav>`;

/** What the menu of the keyboard lists; `?` opens it. */
const keysHelp = (menu: readonly ConsolePage[]): Html => html`<dialog id="keys" aria-labelledby="keys-title">
      <h2 id="keys-title">Keyboard</h2>
      <dl>
        <dt><kbd>/</kbd></dt><dd>Search</dd>
        ${menu.map((page) => html`<dt><kbd>g</kbd> <kbd>${page.menu?.key}</kbd></dt><dd>${page.menu?.label}</dd>`)}
        <dt><kbd>?</kbd></dt><dd>This list</dd>
      </dl>
      <form method="dialog"><button>Close</button></form>
    </dialog>`;

const tenantTabs: readonly (readonly [label: string, below: string, role?: Person['role']])[] = [
  ['Tenant', ''],
  ['Devices', '/devices'],
  ['Moves', '/moves'],
  ['Permissions', '/permissions'],
  ['Settings', '/settings', 'admin'],
];

/** The pages of one tenant, on each of them. */
function tabsOf({ path, person }: Frame, { above, status = 200 }: PageContent): Html {
  const [, base, rest = ''] = /^(\/tenants\/[^/]+)(\/.*)?$/.exec(path) ?? [];
  if (base === undefined || above === undefined || status === 404) return none;
  // An import is of devices.
  const place = rest === '/import' || rest.startsWith('/import/') ? '/devices' : rest;
  const current = tenantTabs.findLast(([, below]) => place === below || place.startsWith(`${below}/`));
  const shown = tenantTabs.filter(([, , role]) => role === undefined || person.role === role);
  return html`<nav class="tabs" aria-label="Of this tenant"><ul>${shown.map(
    (tab) =>
      html`<li><a href="${base}${tab[1]}"${tab === current ? html` aria-current="page"` : none}>${tab[0]}</a></li>`,
  )}</ul></nav>`;
}

/** The way back; the page itself is the heading below. */
const aboveOf = ({ above }: PageContent): Html =>
  above === undefined
    ? none
    : html`<nav class="above" aria-label="Where you are">${above.map(
        ([label, path], index) =>
          html`${index === 0 ? none : html` <span aria-hidden="true">/</span> `}<a href="${path}">${label}</a>`,
      )}</nav>`;

/** The tab of a browser with many tenants open says which one this is. */
const documentTitle = ({ above = [], title }: PageContent): string =>
  [
    title,
    ...above
      .slice(1)
      .map(([label]) => label)
      .reverse(),
    'Espalier',
  ].join(' · ');

const fileOf = ({ asset }: Frame, name: string): Html =>
  name.endsWith('.css')
    ? html`<link rel="stylesheet" href="${asset(name)}" />`
    : html`<script src="${asset(name)}" defer></script>`;

/**
 * For a page that takes a part of itself anew: what can be taken, without the frame. The same state is then the same text,
 * which the frame with its token is not.
 */
export const consolePart = ({ body }: PageContent): Html => html`${body}`;

export const consoleLayout = (frame: Frame, content: PageContent): Html => html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="robots" content="noindex" />
    <meta name="color-scheme" content="light dark" />
    <meta name="htmx-config" content='{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true,"historyCacheSize":0}' />
    <title>${documentTitle(content)}</title>
    <link rel="icon" href="${frame.asset('icon.svg')}" type="image/svg+xml" />
    <link rel="stylesheet" href="${frame.asset('console.css')}" />
    <script src="${frame.asset('htmx.js')}" defer></script>
    <script src="${frame.asset('console.js')}" defer></script>
    ${(content.files ?? []).map((name) => fileOf(frame, name))}
  </head>
  <body>
    <a class="skip" href="#content">To the content</a>
    <header>
      <a class="brand" href="/"><img src="${frame.asset('icon.svg')}" alt="" width="24" height="24" /> Espalier</a>
      <form class="search" action="/search" role="search">
        <input name="q" type="search" aria-label="Search tenants, instances and devices" placeholder="Tenant, instance, serial, device id…" data-search />
      </form>
      <details class="account">
        <summary>${personName(frame.person.name)}</summary>
        <div>
          <p>${frame.person.kind === 'user' ? 'Signed in with Microsoft' : 'Signed in with a key'}, role <strong>${frame.person.role}</strong>${
            frame.person.tenants === null ? '' : html`, for ${counted(frame.person.tenants.length, 'tenant')}`
          }.</p>
          <p><a href="/sessions">Sessions</a></p>
          ${signOutForm(frame.person)}
        </div>
      </details>
      ${menuOf(frame)}
    </header>
    <main id="content" tabindex="-1">
      ${frame.notice === undefined ? '' : html`<p class="notice" role="status">${frame.notice}</p>`}
      ${aboveOf(content)}
      ${tabsOf(frame, content)}
      <h1>${content.title}</h1>
      ${content.body}
    </main>
    ${keysHelp(frame.menu)}
  </body>
</html>`;
