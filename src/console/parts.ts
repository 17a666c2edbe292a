import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import type { ApiProblem } from './api.ts';
import type { Person } from './visit.ts';

/** What pages are made of. Every text of others goes through `html`, which escapes it. */

export const none: Html = html``;

/** A form that writes: with the session's token, and where it is asked for a reason for the history. */
export function writeForm(
  person: Person,
  {
    action,
    className = 'act',
    content,
    files = false,
  }: {
    readonly action: string;
    readonly className?: string;
    readonly content: Html | readonly Html[];
    /** Whether it uploads files. */
    readonly files?: boolean;
  },
): Html {
  return html`<form method="post" action="${action}" class="${className}"${files ? html` enctype="multipart/form-data"` : none}>
    <input type="hidden" name="csrf" value="${person.session?.csrfToken ?? ''}" />
    ${content}
  </form>`;
}

export const signOutForm = (person: Person): Html =>
  writeForm(person, { action: '/sign-out', className: 'sign-out', content: html`<button>Sign out</button>` });

/** A single button that posts. `danger` asks once more, where scripts run; the server never relies on it. */
export const actButton = (
  person: Person,
  {
    action,
    ask,
    fields = {},
    label,
  }: {
    readonly action: string;
    readonly label: string;
    readonly ask?: string;
    readonly fields?: Readonly<Record<string, string>>;
  },
): Html =>
  writeForm(person, {
    action,
    content: html`${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`)}<button${ask === undefined ? '' : html` data-ask="${ask}"`}>${label}</button>`,
  });

/** A time for a person: what the browser shows relative and in his zone is UTC where no script runs. */
export const time = (at: string | null | undefined): Html =>
  at === null || at === undefined
    ? html`<span class="quiet">never</span>`
    : html`<time datetime="${at}" title="${at}">${at.replace('T', ' ').replace(/\.\d+Z$|Z$/, ' UTC')}</time>`;

/** A time in a sentence, such as "since 29 Nov 2026, 14:05": never relative to now. */
export const moment = (at: string): Html =>
  html`<time datetime="${at}" title="${at}" data-moment>${at.slice(0, 16).replace('T', ' ')} UTC</time>`;

/** An id with a button that copies it. In a table its beginning is shown, and all of it on hover. */
export const id = (text: string): Html => html`<code class="id" title="${text}" data-copy>${text}</code>`;

/** An id that leads to its page, where it has no name. */
export const idLink = (href: string, text: string): Html =>
  html`<a href="${href}"><code class="id" title="${text}">${text}</code></a>`;

/** A text to take along to somewhere else, with a button that copies it. */
export const copyable = (text: string): Html => html`<code data-copy>${text}</code>`;

/** A name with its id beside it. */
export const named = (name: string | null | undefined, href: string | undefined, text: string): Html =>
  html`${href === undefined ? html`<span>${name ?? text}</span>` : html`<a href="${href}">${name ?? text}</a>`} ${id(text)}`;

export type Tone = 'good' | 'warn' | 'bad' | 'quiet';

export const badge = (text: string, tone: Tone = 'quiet'): Html =>
  html`<span class="badge ${tone}">${text}</span>`;

const stateTones: Readonly<Record<string, Tone>> = {
  connected: 'good',
  moving: 'warn',
  shadowing: 'warn',
  verified: 'good',
  completed: 'good',
  active: 'good',
  ok: 'good',
  done: 'good',
  accepted: 'good',
  enabled: 'good',
  consenting: 'warn',
  consented: 'warn',
  held: 'warn',
  due: 'warn',
  sent: 'warn',
  waiting: 'warn',
  open: 'bad',
  refused: 'warn',
  paused: 'warn',
  disconnecting: 'warn',
  terminated: 'bad',
  failed: 'bad',
  rejected: 'bad',
  unreachable: 'bad',
};
/** What the API calls by several words, without the hyphens: `not compliant`. */
export const said = (text: string): string => text.replaceAll('-', ' ');

/** A state of the API with a colour; the word itself is what tells. */
export const state = (text: string): Html => badge(said(text), stateTones[text] ?? 'quiet');

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => Html | string | number | null;
  readonly numeric?: boolean;
}

/** A table that scrolls by itself on a narrow screen; `empty` says what to do where there is no row. */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  empty: Html | string,
): Html {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  const classOf = ({ numeric }: Column<Row>): Html => (numeric === true ? html` class="number"` : none);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table: ${caption}"><table>
    <caption>${caption}</caption>
    <thead><tr>${columns.map((column) => (column.title === '' ? html`<td></td>` : html`<th scope="col"${classOf(column)}>${column.title}</th>`))}</tr></thead>
    <tbody>${rows.map(
      (row) =>
        html`<tr>${columns.map((column) => html`<td${classOf(column)} data-label="${column.title}"><div>${column.cell(row) ?? ''}</div></td>`)}</tr>`,
    )}</tbody>
  </table></div>`;
}

/** Names and values, one under the other. */
export const facts = (
  pairs: readonly (readonly [string, Html | string | number | null | undefined])[],
): Html =>
  html`<dl class="facts">${pairs.map(([name, value]) =>
    value === undefined || value === null ? '' : html`<dt>${name}</dt><dd>${value}</dd>`,
  )}</dl>`;

export interface Chip {
  readonly label: string;
  readonly count?: number;
  readonly href: string;
  readonly current: boolean;
}

/** Links that narrow what is shown to one kind, each with how many there are where that is known. */
export const chips = (
  label: string,
  links: readonly Chip[],
): Html => html`<ul class="chips" aria-label="${label}">
    ${links.map(({ count, current, href, label: shown }) => html`<li><a href="${href}"${current ? html` aria-current="true"` : none}>${shown}${count === undefined ? none : html` <span class="count">${count}</span>`}</a></li>`)}
  </ul>`;

/** From page to page of a list; the other parameters of the address stay. */
export function pager(query: URLSearchParams, total: number, pageSize: number): Html {
  const page = Number(query.get('page') ?? 0);
  const last = Math.max(0, Math.ceil(total / pageSize) - 1);
  if (last === 0) return none;
  const to = (target: number): string => {
    const next = new URLSearchParams(query);
    next.delete('done');
    next.set('page', String(target));
    return `?${next}`;
  };
  return html`<nav class="pager" aria-label="Pages">
    ${page > 0 ? html`<a href="${to(page - 1)}" rel="prev">Previous</a>` : ''}
    <span>Page ${page + 1} of ${last + 1}</span>
    ${page < last ? html`<a href="${to(page + 1)}" rel="next">Next</a>` : ''}
  </nav>`;
}

/** A number that may be more than was counted. */
export const atLeast = (count: number, isLeast: boolean): string =>
  `${count.toLocaleString('en')}${isLeast ? '+' : ''}`;

const owners: Readonly<Record<string, string>> = {
  caller: 'an operator',
  operator: 'an operator',
  configuration: 'the administrator of Entra and Intune',
  instance: 'the administrator of Jamf Pro',
  jamf: 'the administrator of Jamf Pro',
  microsoft: 'Microsoft',
  espalier: 'this gateway, by itself',
};

/** Names in words who has to act, to stand within a sentence. */
export const ownerWords = (owner: string): string => owners[owner] ?? owner;

/** What a problem of a request is about: its owner is who or what has to change. */
const about: Readonly<Record<string, string>> = {
  caller: 'what was asked for',
  instance: 'the Jamf Pro instance',
  microsoft: 'Microsoft',
  espalier: 'this gateway',
};

/** What went wrong, for the person who must act. */
export const problemBox = (problem: ApiProblem): Html => html`<div class="problem" role="alert">
  <p><strong>${problem.title}</strong></p>
  <p>${problem.detail}</p>
  ${
    problem.errors.length === 0
      ? ''
      : html`<ul>${problem.errors.map(({ description, field }) => html`<li><code>${field}</code> ${description}</li>`)}</ul>`
  }
  <p class="quiet">It concerns ${about[problem.owner] ?? problem.owner}. Request id ${id(problem.requestId)}</p>
</div>`;

/** Why, for the history; every form that changes something has it. */
export const reasonField = (given = ''): Html =>
  html`<label>Reason, for the history <input name="reason" maxlength="500" autocomplete="off" value="${given}" /></label>`;

export interface Choice {
  readonly value: string;
  readonly label: string;
}

export const select = (
  name: string,
  label: string,
  choices: readonly Choice[],
  chosen: string | undefined,
): Html => html`<label>${label}
  <select name="${name}">${choices.map(
    ({ label: shown, value }) =>
      html`<option value="${value}"${value === chosen ? html` selected` : ''}>${shown}</option>`,
  )}</select>
</label>`;

/** What belongs together, under its own heading. */
export const card = (title: string, content: Html | readonly Html[]): Html =>
  html`<section class="card"><h2>${title}</h2>${content}</section>`;

/** A length of time in the largest unit that says it; undefined for none. */
export function duration(seconds: number | null): string | undefined {
  if (seconds === null) return undefined;
  const units = [
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
  ] as const;
  const [unit, size] = units.find(([, least]) => seconds >= least) ?? (['second', 1] as const);
  const count = Math.round(seconds / size);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** A number with its noun: `1 device`, `2,000 devices`. */
export const counted = (count: number, noun: string): string =>
  `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
