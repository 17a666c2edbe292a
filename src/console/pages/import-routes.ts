import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { importedTextShownBytes } from '../../limits.ts';
import { at } from '../api.ts';
import { reasonOf } from '../instance-acts.ts';
import { instancesOf } from '../names.ts';
import { card, facts, id, named, none, reasonField, select, table, writeForm } from '../parts.ts';
import type { ConsolePage, Files, Form, PageContent, Visit } from '../visit.ts';

/** Many devices put on computers by one file: looked at first, then carried out. */

interface Rejection {
  readonly line: number;
  readonly code: string;
  readonly description: string;
}

interface Computer {
  readonly instanceId: string;
  readonly jamfComputerId: string;
}

interface Change {
  readonly line: number;
  readonly deviceId: string;
  readonly change: string;
  readonly from: Computer | null;
  readonly to: Computer;
  readonly serialNumber: string | null;
}

interface Imported {
  readonly mode: 'partial' | 'atomic';
  readonly rows: number;
  readonly accepted: number;
  readonly changed: number;
  readonly noted: number;
  readonly versionBefore: number | null;
  readonly version: number | null;
  readonly sha256: string;
  readonly rejectedCount: number;
  readonly rejected: readonly Rejection[];
  readonly changes: readonly Change[];
}

interface Given {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** As it is called on the person's machine; undefined: it was pasted. */
  readonly fileName: string | undefined;
}

const rejectionsShown = 200;

const tenantPath = ({ param }: Pick<Visit, 'param'>): string => at`/tenants/${param('tenantId')}`;

/** A file goes before what was pasted; undefined: neither was given. */
async function givenIn(form: Form, files: Files): Promise<Given | undefined> {
  const file = files.get('file');
  if (file !== undefined && file.size > 0)
    return { bytes: new Uint8Array(await file.arrayBuffer()), fileName: file.name };
  const text = form.get('text') ?? '';
  return text.trim() === '' ? undefined : { bytes: new TextEncoder().encode(text), fileName: undefined };
}

/** A line of NDJSON begins with a brace; no line of column names does. */
function typeOf(bytes: Uint8Array): 'application/x-ndjson' | 'text/csv' {
  const begin = new TextDecoder().decode(bytes.subarray(0, 1_000)).trimStart();
  return begin.startsWith('{') ? 'application/x-ndjson' : 'text/csv';
}

async function send(visit: Visit, form: Form, { bytes }: Given, query: Readonly<Record<string, string>>) {
  const path = `${tenantPath(visit)}/devices/import?${new URLSearchParams(query)}`;
  const { body } = await visit.api.write<Imported>('POST', path, {
    content: { type: typeOf(bytes), bytes },
    reason: reasonOf(form),
  });
  return body;
}

const modes = [
  { value: 'partial', label: 'Keep the good rows, leave the bad ones out' },
  { value: 'atomic', label: 'All or nothing: one bad row refuses the file' },
];

const choiceOfMode = (form: Form): Html =>
  select('mode', 'If some rows are bad', modes, form.get('mode') ?? 'partial');

const fileField = (label: string, required: boolean): Html =>
  html`<label>${label}
    <input name="file" type="file" accept=".csv,.ndjson,.jsonl,.txt"${required ? html` required` : none} />
  </label>`;

const startForm = (visit: Visit, form: Form): Html =>
  visit.may('operator')
    ? writeForm(visit.person, {
        action: `${tenantPath(visit)}/import/preview`,
        className: 'fields card',
        files: true,
        content: html`${fileField('A file, CSV or NDJSON in UTF-8, up to 16 MiB', false)}
          <label>Or rows that are pasted here
            <textarea name="text" rows="8" spellcheck="false" placeholder="deviceId,instanceId,jamfComputerId,serialNumber,udid,pinned">${form.get('text') ?? ''}</textarea>
          </label>
          ${choiceOfMode(form)}
          ${reasonField(form.get('reason') ?? '')}
          <div class="actions"><button class="main">Preview</button></div>`,
      })
    : html`<p class="empty">An import takes the role operator. Yours is ${visit.person.role}.</p>`;

const introduction = html`<p>Each row puts a device on a computer of an instance: <code>deviceId</code>, <code>instanceId</code> and <code>jamfComputerId</code> have to be there, <code>serialNumber</code>, <code>udid</code> and <code>pinned</code> may be. The first line of CSV names the columns. Devices that the file does not name stay as they are. Nothing is changed before you have seen the preview.</p>`;

async function page(visit: Visit, form: Form, fault?: string): Promise<PageContent> {
  const { displayName } = await visit.api.get<{ displayName: string }>(tenantPath(visit));
  return {
    title: 'Import routes',
    above: [
      ['Tenants', '/tenants'],
      [displayName, tenantPath(visit)],
    ],
    body: [
      fault === undefined ? none : html`<p class="problem" role="alert">${fault}</p>`,
      introduction,
      startForm(visit, form),
      html`<p class="quiet">Larger files go by the command line, which sends them as they are read: <code>espalier devices import</code>.</p>`,
    ],
    ...(fault === undefined ? {} : { status: 400 }),
  };
}

const rejections = ({ rejected, rejectedCount }: Imported): Html =>
  rejectedCount === 0
    ? none
    : card(`Refused rows: ${rejectedCount.toLocaleString('en')}`, [
        table<Rejection>(
          'Refused rows',
          [
            { title: 'Line', cell: ({ line }) => line, numeric: true },
            { title: 'Why', cell: ({ description }) => description },
            { title: 'Code', cell: ({ code }) => html`<code>${code}</code>` },
          ],
          rejected.slice(0, rejectionsShown),
          '',
        ),
        rejectedCount > rejectionsShown
          ? html`<p>These are the first ${rejectionsShown}, by line.</p>`
          : none,
      ]);

const changeWords: Readonly<Record<string, string>> = {
  created: 'gets a route',
  moved: 'goes to another computer',
  pinned: 'is pinned where it is',
  unpinned: 'is not pinned any more, and its claims decide',
  described: 'only serial number or UDID',
};

/** The first changes, each with where the device is now and where the row wants it. */
function changesCard(visit: Visit, names: ReadonlyMap<string, string>, imported: Imported): Html {
  const { changed, changes, noted } = imported;
  if (changes.length === 0) return none;
  const place = (computer: Computer | null): Html =>
    computer === null
      ? html`<span class="quiet">no route</span>`
      : html`${names.get(computer.instanceId) ?? computer.instanceId} <span class="quiet">computer ${computer.jamfComputerId}</span>`;
  const total = changed + noted;
  return card(`Changes: ${total.toLocaleString('en')}`, [
    table<Change>(
      'Changes',
      [
        { title: 'Line', cell: ({ line }) => line, numeric: true },
        {
          title: 'Device',
          cell: ({ deviceId, from, serialNumber }) =>
            from === null
              ? html`${serialNumber ?? ''} ${id(deviceId)}`
              : named(
                  serialNumber ?? 'Open the device',
                  `${tenantPath(visit)}/devices/${deviceId}`,
                  deviceId,
                ),
        },
        { title: 'Change', cell: ({ change }) => changeWords[change] ?? change },
        { title: 'Now', cell: ({ from }) => place(from) },
        { title: 'Then', cell: ({ to }) => place(to) },
      ],
      changes,
      '',
    ),
    total > changes.length ? html`<p>These are the first ${changes.length}, by line.</p>` : none,
  ]);
}

const counts = (imported: Imported, isDone: boolean): Html =>
  facts([
    ['Rows', imported.rows.toLocaleString('en')],
    ['Good rows', imported.accepted.toLocaleString('en')],
    [isDone ? 'Routes that changed' : 'Routes that would change', imported.changed.toLocaleString('en')],
    [
      isDone ? 'Only a serial number or UDID changed' : 'Only a serial number or UDID would change',
      imported.noted.toLocaleString('en'),
    ],
    ['Refused rows', imported.rejectedCount.toLocaleString('en')],
    ['SHA-256 of the file', html`<code class="id" data-copy>${imported.sha256}</code>`],
  ]);

/** What was looked at goes along, so that it need not be chosen again; a large file has to be. */
const sameAgain = ({ bytes, fileName }: Given): Html =>
  bytes.byteLength <= importedTextShownBytes
    ? html`<details><summary>The rows</summary>
        <textarea name="text" aria-label="The rows" rows="12" spellcheck="false" readonly>${'\n'}${new TextDecoder().decode(bytes)}</textarea></details>`
    : fileField(`Choose ${fileName ?? 'the file'} again: it is too large to be kept in this page`, true);

async function preview(visit: Visit, form: Form, files: Files): Promise<PageContent> {
  const given = await givenIn(form, files);
  if (given === undefined) return page(visit, form, 'Choose a file, or paste rows.');
  // Whatever is chosen, the preview lists every bad row.
  const imported = await send(visit, form, given, { mode: 'partial', 'dry-run': 'true' });
  const { above = [] } = await page(visit, form);
  const isRefused = form.get('mode') === 'atomic' && imported.rejectedCount > 0;
  return {
    title: 'Preview of the import',
    above: [...above, ['Import routes', `${tenantPath(visit)}/import`]],
    body: [
      card('What this will do', [
        html`<p>${given.fileName === undefined ? 'Pasted rows' : `The file ${given.fileName}`}. Nothing is changed yet.</p>`,
        counts(imported, false),
        isRefused
          ? html`<p><strong>As all or nothing the file would be refused</strong>, because of the rows below.</p>`
          : none,
      ]),
      rejections(imported),
      changesCard(visit, await instancesOf(visit.api, visit.param('tenantId')), imported),
      imported.accepted === 0
        ? html`<p class="empty">No row is good, so there is nothing to import.</p>`
        : writeForm(visit.person, {
            action: `${tenantPath(visit)}/import/carry-out`,
            className: 'fields card',
            files: true,
            content: html`${sameAgain(given)}
              ${choiceOfMode(form)}
              ${reasonField(form.get('reason') ?? '')}
              <div class="actions">
                <button class="main">Import</button>
                <a class="button" href="${tenantPath(visit)}/import">Cancel</a>
              </div>`,
          }),
    ],
  };
}

async function carryOut(visit: Visit, form: Form, files: Files): Promise<PageContent> {
  const given = await givenIn(form, files);
  if (given === undefined) return page(visit, form, 'Choose a file, or paste rows.');
  const mode = form.get('mode') === 'atomic' ? 'atomic' : 'partial';
  const imported = await send(visit, form, given, { mode });
  const { above = [] } = await page(visit, form);
  return {
    title: 'The import is done',
    above: [...above, ['Import routes', `${tenantPath(visit)}/import`]],
    body: [
      card('What was done', [
        counts(imported, true),
        imported.version === null
          ? html`<p>No route changed.</p>`
          : html`<p>The routes have the version ${imported.version} now; before, they had the version ${imported.versionBefore}, to which they can be rolled back. The computers are read in the background, at most 100 a second.</p>`,
      ]),
      rejections(imported),
      html`<p class="actions"><a class="button" href="${tenantPath(visit)}">Back to the tenant</a></p>`,
    ],
  };
}

export const importRoutes: ConsolePage = {
  path: '/tenants/:tenantId/import',
  forms: 'files',
  show: (visit) => page(visit, new URLSearchParams()),
  acts: { preview, 'carry-out': carryOut },
};
