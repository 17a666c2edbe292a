import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import type { Claim, Explanation, Names } from './device-answers.ts';

/** Which computers claim a Mac and which of them has it, as a picture; the table beside it says the same in words. */

const shownClaims = 8;
const rowHeight = 62;
const boxHeight = 48;
const width = 380;
const boxWidth = 226;
const macLeft = 288;

/** What a box of the picture holds of a name. */
const clipped = (text: string): string => (text.length > 24 ? `${text.slice(0, 23)}…` : text);
const day = (at: string | null): string =>
  at === null ? 'enrolment not known' : `enrolled ${at.slice(0, 10)}`;

const winsOf = ({ instanceId, jamfComputerId }: Explanation, claim: Claim): boolean =>
  claim.instanceId === instanceId && claim.jamfComputerId === jamfComputerId;

const claimOf = (claim: Claim, index: number, wins: boolean, middle: number, names: Names): Html => {
  const top = index * rowHeight + 7;
  const from = top + boxHeight / 2;
  const kind = wins ? 'wins' : claim.state === 'active' ? 'loses' : 'rests';
  return html`<g class="claim ${kind}">
    <path d="M${boxWidth} ${from} C${boxWidth + 40} ${from} ${macLeft - 40} ${middle} ${macLeft} ${middle}" />
    <rect x="1" y="${top}" width="${boxWidth}" height="${boxHeight}" rx="8" />
    <text x="12" y="${top + 20}" class="name">${clipped(names.of(claim.instanceId))}</text>
    <text x="12" y="${top + 37}">computer ${claim.jamfComputerId}, ${day(claim.lastEnrolledDate)}</text>
  </g>`;
};

const words = (explanation: Explanation, names: Names): string => {
  const count = explanation.claims.length;
  const claims = count === 1 ? '1 computer record claims' : `${count} computer records claim`;
  return explanation.instanceId === null
    ? `${claims} this Mac, and none of them has it.`
    : `${claims} this Mac; computer ${explanation.jamfComputerId} of ${names.of(explanation.instanceId)} has it.`;
};

export function claimsPicture(explanation: Explanation, names: Names): Html {
  const claims = explanation.claims.slice(0, shownClaims);
  if (claims.length === 0) return html``;
  const height = claims.length * rowHeight;
  const middle = height / 2;
  const more = explanation.claims.length - claims.length;
  return html`<figure class="picture">
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${words(explanation, names)}">
      ${claims.map((claim, index) => claimOf(claim, index, winsOf(explanation, claim), middle, names))}
      <g class="mac">
        <rect x="${macLeft}" y="${middle - 22}" width="${width - macLeft - 1}" height="44" rx="8" />
        <text x="${(macLeft + width) / 2}" y="${middle + 5}" text-anchor="middle" class="name">This Mac</text>
      </g>
    </svg>
    <figcaption>${words(explanation, names)}${more > 0 ? ` ${more} more are in the table.` : ''}</figcaption>
  </figure>`;
}
