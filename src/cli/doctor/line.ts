import type { Owner } from '../../problems.ts';
import type { CheckName } from './checks.ts';

export type LineStatus = 'ok' | 'warn' | 'fail';

/** One line of `doctor`. No member holds a secret, a token, a device id or a person's name. */
export interface Line {
  readonly status: LineStatus;
  readonly check: CheckName;
  /** The subject of the check: a host with its port, a tenant, an instance. */
  readonly subject: string;
  readonly found: string;
  /** The remedy and who has to act; absent when all is well. */
  readonly remedy?: string;
  readonly owner?: Owner;
}

export interface Saying {
  ok(found: string): Line;
  warn(found: string, remedy: string, owner: Owner): Line;
  fail(found: string, remedy: string, owner: Owner): Line;
}

export const about = (check: CheckName, subject: string): Saying => ({
  ok: (found) => ({ status: 'ok', check, subject, found }),
  warn: (found, remedy, owner) => ({ status: 'warn', check, subject, found, remedy, owner }),
  fail: (found, remedy, owner) => ({ status: 'fail', check, subject, found, remedy, owner }),
});

/** Steps after a failure cannot be tried: that is said once, and is never a failure of its own. */
export const notTried = (check: CheckName, subject: string, because: string, owner: Owner): Line =>
  about(check, subject).warn(`not tried: ${because}`, 'Mend that first.', owner);

export const anyFailed = (lines: readonly Line[]): boolean => lines.some(({ status }) => status === 'fail');
