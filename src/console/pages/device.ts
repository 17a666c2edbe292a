import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { ApiRefusal, at } from '../api.ts';
import { actionsCard, deviceActs, deviceNotices } from '../device/actions.ts';
import { claimsPicture } from '../device/claims-picture.ts';
import { type Comparison, comparisonCard } from '../device/comparison.ts';
import {
  type Device,
  type Explanation,
  type List,
  type Names,
  readNames,
  type TimelineEvent,
  unlessMissing,
} from '../device/device-answers.ts';
import { claimsTable, routeCard } from '../device/route-card.ts';
import { timelinePicture, timelineTable } from '../device/timeline-picture.ts';
import { routeSentence, verdictSentence } from '../device/why.ts';
import { badge, card, facts, id, none, ownerWords, pager, problemBox, state } from '../parts.ts';
import type { ConsolePage, PageContent, Visit } from '../visit.ts';
import { sentence } from '../words.ts';

/** One Mac's registration: why it is compliant or not, where it belongs and why, what was told of it and when. */

const timelinePageSize = 20;

interface Cause {
  readonly owner?: string;
  readonly remedy?: string;
}

/** What a person typed as a time of UTC, as the API reads it. */
const instantOf = (local: string): string =>
  `${/^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(local) ? `${local}:00` : local}Z`;

/** The explanation for a past time, which is in the address; a time that does not fit is told in its place. */
async function pastCard(
  { api, query }: Visit,
  tenantId: string,
  deviceId: string,
  names: Names,
): Promise<Html> {
  const local = (query.get('at') ?? '').slice(0, 40);
  const form = html`<form class="filters" method="get">
    <label>Time, in UTC <input name="at" type="datetime-local" step="1" value="${local}" required /></label>
    <button>Explain</button>
    ${local === '' ? none : html`<a href="${at`/tenants/${tenantId}/devices/${deviceId}`}">Only now</a>`}
  </form>`;
  const intro = html`<p>Where the Mac belonged at an earlier time, and why. The time is in UTC, not in your zone.</p>`;
  if (local === '') return card('At an earlier time', html`${intro}${form}`);
  try {
    const path = at`/tenants/${tenantId}/devices/${deviceId}/explain`;
    const then = await unlessMissing(api.get<Explanation>(path, { at: instantOf(local) }));
    return card(
      'At an earlier time',
      html`${intro}${form}<h3>On ${local.replace('T', ' at ')} UTC</h3>${
        then === undefined
          ? html`<p>Nothing was known of this Mac then.</p>`
          : html`${routeSentence(then, names, true)}${claimsPicture(then, names)}${claimsTable(tenantId, then, names, 'Claims at that time')}`
      }`,
    );
  } catch (error) {
    if (!(error instanceof ApiRefusal) || error.problem.status !== 400) throw error;
    return card('At an earlier time', html`${intro}${form}${problemBox(error.problem)}`);
  }
}

/** Why the report does not go on, who acts and what ends it. */
const stopped = (visit: Visit, { report }: Device, cause: Cause | undefined, names: Names): Html => {
  if (report === null || (report.state !== 'held' && report.state !== 'failed')) return none;
  const detail = names.inText(report.detail ?? '');
  const remedy = names.inText(cause?.remedy ?? '');
  const isHeld = report.state === 'held';
  return html`<div class="${isHeld ? 'warning' : 'problem'}">
    <p><strong>The report ${isHeld ? 'is held' : 'failed'}.</strong> ${sentence(detail)}${detail.includes(remedy) ? '' : ` ${sentence(remedy)}`}</p>
    <p class="quiet">${cause?.owner === undefined ? none : html`For ${ownerWords(cause.owner)} · `}<code>${report.reason}</code></p>
    ${isHeld ? html`<p><a href="${at`/tenants/${visit.param('tenantId')}`}">To the tenant's page</a></p>` : none}
    ${!isHeld && visit.may('operator') ? html`<p>“Read it again now”, below, replays it.</p>` : none}
  </div>`;
};

const answerCard = (
  visit: Visit,
  device: Device | undefined,
  cause: Cause | undefined,
  names: Names,
): Html =>
  device === undefined
    ? card(
        'Compliance',
        html`<p class="answer">No instance speaks for this registration, so nothing is told of it any more. Intune was told that it is not managed and not compliant, where it had been told of it.</p>`,
      )
    : card('Compliance', html`${verdictSentence(device, names)}${stopped(visit, device, cause, names)}`);

const whatItIs = (deviceId: string, device: Device | undefined, comparison: Comparison | undefined): Html =>
  facts([
    ['Name', comparison?.jamf?.deviceName ?? comparison?.intune?.deviceName],
    ['Device id in Entra', id(deviceId)],
    ['Serial number', device?.serialNumber],
    ['UDID', device?.udid && id(device.udid)],
    ['Report', device?.report ? state(device.report.state) : undefined],
    ['Pin', device?.pinned ? badge('pinned') : undefined],
  ]);

async function read(visit: Visit, tenantId: string, deviceId: string) {
  const { api, query } = visit;
  const path = at`/tenants/${tenantId}/devices/${deviceId}`;
  const [tenant, names, found, explanation, comparison, timeline] = await Promise.all([
    api.get<{ displayName: string }>(at`/tenants/${tenantId}`),
    readNames(api, tenantId),
    unlessMissing(api.read<Device>(path)),
    api.get<Explanation>(`${path}/explain`),
    unlessMissing(api.get<Comparison>(`${path}/comparison`)),
    unlessMissing(
      api.get<List<TimelineEvent>>(`${path}/timeline`, {
        page: query.get('page') ?? 0,
        'page-size': timelinePageSize,
      }),
    ),
  ]);
  return {
    tenant,
    names,
    device: found?.body,
    etag: found?.etag,
    explanation,
    comparison,
    timeline: timeline ?? { totalCount: 0, results: [] },
  };
}

/** What ends a hold or a failure, as the API says it for all reports of that cause. */
async function causeOf(
  { api }: Visit,
  tenantId: string,
  device: Device | undefined,
): Promise<Cause | undefined> {
  const report = device?.report;
  if (!device || !report || (report.state !== 'held' && report.state !== 'failed')) return undefined;
  const filter = `tenantId==${tenantId};deviceId==${device.deviceId}`;
  const { results } = await api.get<List<Cause>>('/reports/causes', { filter });
  return results[0];
}

/** While the state is on its way the page brings itself up to date, without what a person may be filling in. */
const isUnderWay = (device: Device | undefined, comparison: Comparison | undefined): boolean =>
  ['due', 'sent', 'accepted'].includes(device?.report?.state ?? '') ||
  comparison?.entra.verification === 'pending' ||
  (comparison?.jamf?.readWaits === true && comparison.jamf.readError === null);

async function show(visit: Visit): Promise<PageContent> {
  const tenantId = visit.param('tenantId');
  const deviceId = visit.param('deviceId');
  const found = await read(visit, tenantId, deviceId);
  const { comparison, device, etag, explanation, names, tenant, timeline } = found;
  const cause = await causeOf(visit, tenantId, device);
  const { pathname, search } = new URL(visit.c.req.url);
  const again = html` hx-get="${pathname}${search}" hx-select="#state" hx-select-oob="#timeline" hx-swap="outerHTML" hx-trigger="load delay:3s"`;
  return {
    title: device?.serialNumber ? `Mac ${device.serialNumber}` : 'A Mac without a serial number',
    above: [
      ['Tenants', '/tenants'],
      [tenant.displayName, at`/tenants/${tenantId}`],
      ['Devices', at`/tenants/${tenantId}/devices`],
    ],
    body: [
      html`<div id="state"${isUnderWay(device, comparison) ? again : none}>
        ${whatItIs(deviceId, device, comparison)}
        ${answerCard(visit, device, cause, names)}
        ${comparison === undefined ? none : comparisonCard(comparison, names)}
        ${routeCard(tenantId, explanation, names)}
      </div>`,
      device === undefined ? none : actionsCard({ visit, device, etag, explanation, names }),
      html`<div id="timeline">${card(
        'Timeline',
        html`${timelinePicture(visit.query.get('page') ? [] : timeline.results)}${timelineTable(timeline.results, names)}${pager(visit.query, timeline.totalCount, timelinePageSize)}`,
      )}</div>`,
      await pastCard(visit, tenantId, deviceId, names),
    ],
  };
}

export const device: ConsolePage = {
  path: '/tenants/:tenantId/devices/:deviceId',
  show,
  acts: deviceActs,
  notices: deviceNotices,
};
