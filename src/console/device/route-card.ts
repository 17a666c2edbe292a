import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { badge, card, idLink, moment, none, table, time } from '../parts.ts';
import { sentence } from '../words.ts';
import { claimsPicture } from './claims-picture.ts';
import type { Claim, Explanation, Names } from './device-answers.ts';
import { routeSentence } from './why.ts';

/** Where a device belongs and why: the sentence, the claims as picture and table, what would change it. */

const claimState = (claim: Claim, { instanceId, jamfComputerId }: Explanation): Html => {
  if (claim.instanceId === instanceId && claim.jamfComputerId === jamfComputerId)
    return badge('has the Mac', 'good');
  if (claim.state === 'active') return badge('claims it too', 'warn');
  return claim.state === 'stale' ? badge('older registration') : badge('instance disabled');
};

const computerCell = (tenantId: string, names: Names) => (claim: Claim) => {
  const instance = names.instances.find((one) => one.id === claim.instanceId);
  return html`<a href="${at`/tenants/${tenantId}/instances/${claim.instanceId}`}">${names.of(claim.instanceId)}</a>
    ${
      instance === undefined
        ? html`computer ${claim.jamfComputerId}`
        : html`<a href="${instance.url}/computers.html?id=${claim.jamfComputerId}" rel="noreferrer">computer ${claim.jamfComputerId} in Jamf Pro</a>`
    }`;
};

export const claimsTable = (
  tenantId: string,
  explanation: Explanation,
  names: Names,
  caption = 'Claims',
): Html =>
  table<Claim>(
    caption,
    [
      { title: 'Claimed by', cell: computerCell(tenantId, names) },
      { title: 'Enrolled', cell: ({ lastEnrolledDate }) => time(lastEnrolledDate) },
      { title: 'Last check-in', cell: ({ lastCheckIn }) => time(lastCheckIn) },
      { title: 'Claim', cell: (claim) => claimState(claim, explanation) },
    ],
    explanation.claims,
    'No computer record of any instance names this registration. The Mac appears again when it is registered in Entra and updates its inventory in Jamf Pro.',
  );

/** A sentence of the API, its times as those of other sentences. */
const withTimes = (text: string): Html =>
  html`${text.split(/(\d{4}-\d\d-\d\dT[\d:.]+Z)/).map((part, index) => (index % 2 === 1 ? moment(part) : part))}`;

const relatives = (tenantId: string, { nextDeviceId, previousDeviceIds }: Explanation): Html => {
  const link = (deviceId: string): Html => idLink(at`/tenants/${tenantId}/devices/${deviceId}`, deviceId);
  return html`${
    nextDeviceId === null
      ? none
      : html`<p>The Mac has registered anew since: ${link(nextDeviceId)} is its newer registration.</p>`
  }${
    previousDeviceIds.length === 0
      ? none
      : html`<p>Earlier registrations of the same Mac:</p><ul>${previousDeviceIds.map((one) => html`<li>${link(one)}</li>`)}</ul>`
  }`;
};

export const routeCard = (tenantId: string, explanation: Explanation, names: Names): Html =>
  card(
    'Where it belongs',
    html`${routeSentence(explanation, names)}
      ${
        explanation.conflict
          ? html`<p class="warning"><strong>Conflict.</strong> More than one computer record claims this Mac. The one that has it is told to Intune; the others are not, and get it only by what is listed below. Remove the records that are not in use any more from their Jamf Pro.</p>`
          : none
      }
      ${claimsPicture(explanation, names)}
      ${claimsTable(tenantId, explanation, names)}
      ${relatives(tenantId, explanation)}
      <h3>What would change it</h3>
      <ul>${explanation.wouldChange.map((text) => html`<li>${withTimes(sentence(names.inText(text)))}</li>`)}</ul>`,
  );
