import type { CloudContext } from './context.ts';

/** Names of the national clouds in Entra's texts. */
const microsoftNames = new Map([
  ['public', 'MicrosoftOnline.COM'],
  ['usgov', 'MicrosoftOnline.US'],
  ['usgov-dod', 'MicrosoftOnline.US'],
  ['china', 'partner.microsoftonline.cn'],
]);

/**
 * Another cloud as the texts of AADSTS90038 and its kin name it: Microsoft's name for its own, the host of its
 * authority for any other. `authority` only while a cloud of that name runs in the world.
 */
export function describeOtherCloud(
  cloud: CloudContext,
  name: string,
): { otherCloud: string; otherAuthority: string | undefined } {
  const authority = cloud.world.authorities?.get(name);
  const host = authority === undefined ? name : new URL(authority).host;
  return { otherCloud: microsoftNames.get(name) ?? host, otherAuthority: authority };
}

/** A cloud that is not this one, for a script that names none. */
export function someOtherCloud(cloud: CloudContext): string {
  const running = [...(cloud.world.authorities?.keys() ?? [])];
  return (
    running.find((name) => name !== cloud.name) ??
    [...microsoftNames.keys()].find((name) => name !== cloud.name) ??
    'public'
  );
}
