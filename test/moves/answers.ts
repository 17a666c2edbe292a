/** Which instances may answer a call, by the versions of the routes: nothing else may happen while devices move. */

export interface Call {
  readonly deviceId: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** Undefined: no instance did; `problem` says what came instead. */
  readonly instanceId: string | undefined;
  readonly problem?: string;
}

/** From when on a version names an instance for a device: when it was committed. */
export interface RouteVersion {
  readonly deviceId: string;
  readonly version: number;
  readonly instanceId: string | null;
  readonly committedAt: number;
}

export interface Misanswered {
  readonly call: Call;
  readonly allowed: readonly (string | null)[];
}

export interface AnswersCheck {
  readonly misanswered: readonly Misanswered[];
  readonly failed: readonly Call[];
  /** Calls of devices that changed hands while or just before they were answered. */
  readonly during: number;
  /** How long after a version was committed a call that began then was still answered by the one before, at most. */
  readonly longestBehindMs: number;
}

/** What the versions of one device, oldest first, name between two times; the one before them counts on. */
function namedBetween(versions: readonly RouteVersion[], from: number, to: number): RouteVersion[] {
  const first = versions.findLastIndex(({ committedAt }) => committedAt <= from);
  return versions.filter(({ committedAt }, at) => at >= Math.max(first, 0) && committedAt <= to);
}

/** How far behind the version of its start an answer was; 0 when it was that one or came with a later one. */
function behindMs({ endedAt, instanceId, startedAt }: Call, versions: readonly RouteVersion[]): number {
  const at = versions.findLastIndex(({ committedAt }) => committedAt <= startedAt);
  if (at < 0 || versions[at]!.instanceId === instanceId) return 0;
  const meanwhile = versions.filter(({ committedAt }) => committedAt > startedAt && committedAt <= endedAt);
  if (meanwhile.some((version) => version.instanceId === instanceId)) return 0;
  return startedAt - versions[at]!.committedAt;
}

/** `maxBehindMs`: how old the knowledge of a process may be. */
export function checkAnswers(
  calls: readonly Call[],
  versions: readonly RouteVersion[],
  maxBehindMs: number,
): AnswersCheck {
  const sorted = versions.toSorted((a, b) => a.version - b.version);
  const byDevice = Map.groupBy(sorted, ({ deviceId }) => deviceId);
  const misanswered: Misanswered[] = [];
  const failed: Call[] = [];
  let during = 0;
  let longestBehindMs = 0;
  for (const call of calls) {
    if (call.instanceId === undefined) {
      failed.push(call);
      continue;
    }
    const own = byDevice.get(call.deviceId) ?? [];
    const named = namedBetween(own, call.startedAt - maxBehindMs, call.endedAt);
    const allowed = [...new Set(named.map(({ instanceId }) => instanceId))];
    if (!allowed.includes(call.instanceId)) misanswered.push({ call, allowed });
    if (allowed.length > 1) during += 1;
    longestBehindMs = Math.max(longestBehindMs, behindMs(call, own));
  }
  return { misanswered, failed, during, longestBehindMs };
}
