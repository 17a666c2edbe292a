import { createBoundedCache } from '../../bounded-cache.ts';
import type { FieldError } from '../../jamf/wire-values.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** Tells of members of a computer's record in another form than expected: they read as absent, and nothing is lost. */

interface Computer {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly jamfComputerId: number;
}

export type LogOddMembers = (computer: Computer, warnings: readonly FieldError[]) => void;

/** Computers whose odd members have been logged: a Mac is read with every check-in, and says the same each time. */
const computersRemembered = 10_000;
/** Bound on the members named of one computer; otherwise the record's sender would decide how long the log line is. */
const maxMembersNamed = 5;

/** Describes in one line, for people, which members are odd and what they must be. */
export function oddMembersText(warnings: readonly FieldError[]): string {
  const named = warnings.slice(0, maxMembersNamed).map(({ description }) => description);
  const more = warnings.length - named.length;
  return [...named, ...(more > 0 ? [`${more} more.`] : [])].join(' ');
}

/** Counts every one, and logs each computer's once as long as they stay the same. */
export function createOddMembers(log: Log, metrics: Pick<Metrics, 'inputIgnored'>): LogOddMembers {
  const logged = createBoundedCache<string, string>(computersRemembered);
  return ({ instanceId, jamfComputerId, tenantId }, warnings) => {
    if (warnings.length === 0) return;
    metrics.inputIgnored('record-member', warnings.length);
    const key = `${tenantId}/${instanceId}/${jamfComputerId}`;
    const members = oddMembersText(warnings);
    if (logged.get(key) === members) return;
    logged.set(key, members);
    log.warn('computer.odd-members', { tenantId, instanceId, jamfComputerId, members });
  };
}
