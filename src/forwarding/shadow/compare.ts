/**
 * Compares the answers of two instances to one device call as far as the difference matters to the caller: computer
 * ids, dates and names of groups are each server's own and differ for every Mac. Pure.
 */

import { parseComplianceInformation, verdictFor } from '../../jamf/compliance.ts';
import { parseComputer } from '../../jamf/inventory.ts';
import type { ProblemSlug } from '../../problems.ts';
import { parseBoundedJson } from '../../untrusted/bounded-json.ts';

export type ComparedCall = 'compliance' | 'inventory';

export type DifferenceKind = 'unreachable' | 'not-found' | 'status' | 'verdict' | 'body';

export interface Difference {
  readonly kind: DifferenceKind;
  /** Both answers in words for people; no secret, nothing of a person. */
  readonly example: string;
}

export interface SeenAnswer {
  readonly status: number;
  readonly text: string;
}

/** Outcome of the call at the new instance: an answer, or a problem. */
export type ShadowAnswer =
  | ({ readonly ok: true } & SeenAnswer)
  | { readonly ok: false; readonly problem: ProblemSlug };

/** `undecided`: the old answer says nothing that could be compared. */
export type Comparison = 'alike' | 'undecided' | Difference;

function jsonOf(text: string): unknown {
  try {
    return parseBoundedJson(text);
  } catch {
    return undefined;
  }
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;

function compareVerdicts(deviceId: string, old: unknown, now: unknown): Comparison {
  const before = parseComplianceInformation(old);
  if (!before.ok) return 'undecided';
  const { verdict: said } = verdictFor(before.records, deviceId);
  // While the old instance computes, it has not said anything.
  if (said === 'unknown') return 'undecided';
  const after = parseComplianceInformation(now);
  if (!after.ok) return { kind: 'body', example: 'the new answer is no list of compliance records' };
  const { verdict } = verdictFor(after.records, deviceId);
  return verdict === said
    ? 'alike'
    : { kind: 'verdict', example: `${said} at the old instance, ${verdict} at the new one` };
}

/** Enrolment and check-in are left out: they are the instance's own, and differ for a Mac that is enrolled in both. */
function compareRecords(deviceId: string, old: unknown, now: unknown): Comparison {
  const before = parseComputer(old);
  if (!before.ok) return 'undecided';
  const after = parseComputer(now);
  if (!after.ok) return { kind: 'body', example: 'the new answer is no inventory record' };
  const differing = (['serialNumber', 'udid'] as const).filter(
    (name) => before.computer[name]?.toUpperCase() !== after.computer[name]?.toUpperCase(),
  );
  const names = ({ computer }: { computer: { registrations: readonly { deviceId: string }[] } }): boolean =>
    computer.registrations.some((registration) => registration.deviceId === deviceId);
  const lost = names(before) && !names(after) ? ["the device's Entra registration"] : [];
  const what = [...differing, ...lost];
  return what.length === 0
    ? 'alike'
    : { kind: 'body', example: `differs at the new instance: ${what.join(', ')}` };
}

/** `old` is what the caller got. */
export function compareAnswers(
  call: ComparedCall,
  deviceId: string,
  old: SeenAnswer,
  now: ShadowAnswer,
): Comparison {
  if (!now.ok) return { kind: 'unreachable', example: `the new instance gave ${now.problem}` };
  if (!isSuccess(old.status) && !isSuccess(now.status)) return 'undecided';
  if (isSuccess(old.status) && now.status === 404) {
    return { kind: 'not-found', example: `${old.status} at the old instance, 404 at the new one` };
  }
  if (old.status !== now.status) {
    return {
      kind: 'status',
      example: `${old.status} at the old instance, ${now.status} at the new one`,
    };
  }
  const [before, after] = [jsonOf(old.text), jsonOf(now.text)];
  return call === 'compliance'
    ? compareVerdicts(deviceId, before, after)
    : compareRecords(deviceId, before, after);
}
