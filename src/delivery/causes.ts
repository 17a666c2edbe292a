import { classifyRefusal } from './reports/refusals.ts';

/** Remedies for the causes that hold or fail a single device's report, in words for the person who has to act. */

const heldRemedies: Readonly<Record<string, string>> = {
  'user-unknown': 'the user registers the Mac again, then it updates its inventory',
  'verdict-unknown': 'passes when Jamf Pro has computed the verdict; else look at the instance',
  'not-applicable': 'add the computer to the applicable group, where it is to be told at all',
  'no-compliance-vendor': 'set up Device Compliance on the Jamf Pro instance',
  'mass-change': 'look at the hold of the tenant, then release it or refuse it',
  'mode-changed': 'passes when the computer has been read again',
  paused: 'resume the tenant',
  'not-connected': 'connect the tenant, have the consents given, then confirm it',
  terminated: 'confirm the tenant, which provisions it again',
};

/** One refusal for each rule that fails a device; the rules themselves say what each is called. */
const refusals: readonly (readonly [code: string, detail: string])[] = [
  ['', 'the user is not in the assigned group'],
  ['404', 'device not found'],
  ['404', 'user not found'],
  ['', ''],
];

const failedRemedies: ReadonlyMap<string, string> = new Map(
  refusals.map(([code, detail]) => {
    const { cause, remedy } = classifyRefusal(code, detail);
    return [cause, remedy];
  }),
);

/** undefined: the cause is a tenant's or passes by itself; its hold and the detail say what to do. */
export function remedyOf(reason: string): string | undefined {
  return Object.hasOwn(heldRemedies, reason) ? heldRemedies[reason] : failedRemedies.get(reason);
}

/** The owner of a cause in the words of the problems: who has to act. What is not named here an operator looks at. */
const owners: Readonly<Record<string, string>> = {
  'user-unknown': 'configuration',
  'user-not-assigned': 'configuration',
  'device-not-in-entra': 'configuration',
  'not-in-entra': 'configuration',
  'verdict-unknown': 'instance',
  'not-applicable': 'instance',
  'no-compliance-vendor': 'instance',
  'mode-changed': 'espalier',
};

export const ownerOf = (reason: string): string =>
  Object.hasOwn(owners, reason) ? (owners[reason] ?? 'caller') : 'caller';
