import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { moment } from '../parts.ts';
import type { Device, Explanation, Names } from './device-answers.ts';

/** Rules and verdicts of the API as sentences for the person who asks why. */

const because: Readonly<Record<string, string>> = {
  'only-claim': 'no other instance knows it',
  'newest-enrolment': 'it enrolled there last',
  'newest-check-in': 'it enrolled at several instances at the same time and checked in there last',
  'lowest-id': 'the claims are equal in every date, and this one has the lowest id',
  pinned: 'an operator pinned it there',
  placed: 'an operator placed it there',
  moved: 'a move brought it there',
  'rolled-back': 'a rollback put it back there',
};

const ended: Readonly<Record<string, string>> = {
  'no-claim': 'no computer record of any instance names this registration',
  retired: 'the Mac has registered anew, and only older records name this registration',
  deleted: 'an operator ended its route',
};

/** "Berlin manages this Mac because …, since …". */
export function routeSentence(
  { instanceId, rule, since }: Pick<Explanation, 'instanceId' | 'rule' | 'since'>,
  names: Names,
  past = false,
): Html {
  const when = since === null ? '' : html`, since ${moment(since)}`;
  return instanceId === null
    ? html`<p class="answer"><strong>No instance</strong> ${past ? 'managed' : 'manages'} this Mac because ${ended[rule] ?? rule}${when}.</p>`
    : html`<p class="answer"><strong>${names.of(instanceId)}</strong> ${past ? 'managed' : 'manages'} this Mac because ${because[rule] ?? rule}${when}.</p>`;
}

const inJamf =
  'What decides it is in Jamf Pro: the smart groups of the compliance policy that the computer is in.';

const verdicts: Readonly<Record<string, readonly [says: string, next: string]>> = {
  compliant: ['this Mac is compliant', ''],
  'not-compliant': ['this Mac is not compliant', inJamf],
  unknown: [
    'nothing yet: the verdict is still being computed',
    'Nothing is told to Intune until it is there, so that Entra keeps what it shows.',
  ],
  'not-applicable': [
    'this Mac is outside of what it judges',
    'Add the computer to the applicable group in Jamf Pro if it is to be judged.',
  ],
  'no-vendor': [
    'nothing: Device Compliance is not set up there',
    'Set it up in Jamf Pro under Settings, Global, Device Compliance.',
  ],
  'by-intune': [
    'what it knows of this Mac, and Intune judges',
    'Look at the compliance policies in Intune that are assigned to the user.',
  ],
};

const sinceOf = (at: string | null): Html | string => (at === null ? '' : html` since ${moment(at)}`);
const onOf = (at: string | null): Html | string => (at === null ? '' : html` on ${moment(at)}`);

/** Whether Intune knows it, in a sentence. */
function toldSentence({ report }: Device): Html {
  if (report === null) return html`Intune was told nothing yet.`;
  switch (report.state) {
    case 'verified':
      return html`Intune was told so, and Entra shows it${sinceOf(report.verifiedAt)}.`;
    case 'completed':
      return html`Intune took that${onOf(report.completedAt)}.`;
    case 'failed':
      return html`Intune does not know it: telling it failed.`;
    case 'held':
      return html`Intune was not told: the report is held.`;
    case 'due':
      return html`Intune is about to be told.`;
    default:
      return html`Intune was told${onOf(report.sentAt)} and has not said yet that it is done.`;
  }
}

/** Why the Mac is compliant or not, before anything else on the page. */
export function verdictSentence(device: Device, names: Names): Html {
  const { instanceId, report } = device;
  const name = names.of(instanceId);
  if (report === null)
    return html`<p class="answer"><strong>${name}</strong> has told nothing of this Mac's compliance yet. ${toldSentence(device)}</p>`;
  const [says, next] = verdicts[report.verdict] ?? [report.verdict, ''];
  return html`<p class="answer"><strong>${name}</strong> says ${says}. ${toldSentence(device)}</p>
    ${next === '' ? '' : html`<p>${next}</p>`}`;
}
