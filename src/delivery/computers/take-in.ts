import type { JamfComputer } from '../../jamf/inventory.ts';
import { recordClaims } from '../../routing/claims.ts';
import type { RouteOutcome } from '../../routing/resolve.ts';
import type { Sha256 } from '../../secrets/sha256.ts';
import type { ComputerClaims } from '../../store/claims/claims.ts';
import { columns, pick, type Row } from '../../store/columns.ts';
import { readWinners } from '../../store/computers/due.ts';
import type { DueComputer } from '../../store/computers/leases.ts';
import type { Transaction } from '../../store/database.ts';
import type { Instance } from '../../store/instances/instance.ts';
import { type NewReport, setReports } from '../../store/reports/set-reports.ts';
import type { Route } from '../../store/routes/routes.ts';
import { reports } from '../../store/schema.ts';
import type { TenantTimelineEvent } from '../../store/timeline.ts';
import { currentTraceparent } from '../../telemetry/tracing.ts';
import type { InventoryVocabulary } from '../reports/attributes.ts';
import type { ReportContent } from '../reports/report.ts';
import { contentFor, verdictOf } from '../reports/report-content.ts';
import type { Fetched } from './fetch-computer.ts';
import { oddMembersText } from './odd-members.ts';

/** Writes what was read of some computers of one tenant: claims, routes, reports and the way they went. */

type Found = Extract<Fetched, { ok: true }>;

export interface ReadComputer {
  readonly row: DueComputer;
  readonly holder: string;
  readonly instance: Instance;
  /** Undefined: the computer is gone. */
  readonly found: Found | undefined;
  /** Of the read, which is linked to what caused it: reads of several computers are taken in together. */
  readonly traceparent: string | null;
}

const reportedShape = pick(reports, 'deviceId', 'content', 'instanceId');

/** A device whose last claim went: Intune must not go on believing that the Mac is managed. */
async function retractions(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<NewReport[]> {
  if (deviceIds.length === 0) return [];
  const rows = await tx<Row<typeof reportedShape>[]>`
    select ${columns(tx, reportedShape)} from reports
    where tenant_id = ${tenantId} and device_id = any(${deviceIds}::uuid[])`;
  return rows.map(({ content, deviceId, instanceId }) => ({
    deviceId,
    instanceId,
    content: { ...(JSON.parse(content) as ReportContent), managed: false, verdict: 'not-compliant' },
    traceparent: currentTraceparent(),
  }));
}

/** A changed route, for the device\'s timeline. */
export function routeEvent(
  tenantId: string,
  { before, deviceId, ended, route }: RouteOutcome,
): TenantTimelineEvent {
  const detail = route
    ? `computer ${route.jamfComputerId} by rule ${route.rule}${before ? `, before on computer ${before.jamfComputerId} of ${before.instanceId}` : ''}`
    : ended === 'retired'
      ? 'the Mac has registered anew, and nothing newer speaks for this registration'
      : 'nobody claims the device any more';
  return { tenantId, deviceId, stage: 'routed', instanceId: route?.instanceId ?? null, detail };
}

const claimsOf = ({ found, instance, row }: ReadComputer): ComputerClaims => {
  const computer: JamfComputer | undefined = found?.computer;
  return {
    instanceId: row.instanceId,
    jamfComputerId: row.jamfComputerId,
    registrations: (computer?.registrations ?? []).map(({ deviceId, userId }) => ({
      deviceId,
      userId: userId ?? null,
      verdict: found ? verdictOf(found, instance.compliance, deviceId) : null,
    })),
    incomplete: computer?.registrationsComplete === false,
    serialNumber: computer?.serialNumber ?? null,
    udid: computer?.udid ?? null,
    lastEnrolledAt: computer?.lastEnrolledAt ?? null,
    lastCheckInAt: computer?.lastCheckInAt ?? null,
    reportAt: computer?.reportedAt ?? null,
  };
};

interface Sorted {
  readonly reports: readonly { readonly read: ReadComputer; readonly report: NewReport }[];
  /** Devices that nobody has any more. */
  readonly retracted: readonly string[];
  /** Computers whose state is now a device's. */
  readonly winners: readonly Route[];
  readonly verdictMissing: ReadonlySet<DueComputer>;
}

/**
 * Derives the consequences of each device's route: a report of the computer that was read, a retraction, another read.
 */
function sortOut(
  outcomes: readonly RouteOutcome[],
  reads: ReadonlyMap<string, ReadComputer>,
  vocabulary: InventoryVocabulary,
): Sorted {
  const reports: { read: ReadComputer; report: NewReport }[] = [];
  const retracted: string[] = [];
  const winners: Route[] = [];
  const verdictMissing = new Set<DueComputer>();
  for (const { before, changed, deviceId, route } of outcomes) {
    const read = route && reads.get(`${route.instanceId}/${route.jamfComputerId}`);
    if (read?.found) {
      const { found, instance, row, traceparent } = read;
      const content = contentFor(deviceId, found, instance.compliance, vocabulary);
      if (!content || content.verdict === 'unknown') verdictMissing.add(row);
      if (!content) continue;
      const { instanceId } = row;
      reports.push({ read, report: { deviceId, instanceId, content, traceparent } });
    } else if ((!route && before) || read) {
      retracted.push(deviceId);
    } else if (changed && route) {
      winners.push(route);
    }
  }
  return { reports, retracted, winners, verdictMissing };
}

const leftOut = (found: Found | undefined): string =>
  found === undefined || found.warnings.length === 0 ? '' : `, without: ${oddMembersText(found.warnings)}`;

/** The way of what is new, in the order in which it went. */
function timelineOf(
  tenantId: string,
  outcomes: readonly RouteOutcome[],
  { reports }: Sorted,
  news: ReadonlySet<string>,
): TenantTimelineEvent[] {
  const moved = new Map(
    outcomes.flatMap((outcome) => (outcome.changed ? [[outcome.deviceId, outcome]] : [])),
  );
  const events = reports.flatMap(({ read: { found, row }, report: { deviceId } }): TenantTimelineEvent[] => {
    if (!news.has(deviceId) && !moved.has(deviceId)) return [];
    const { instanceId, jamfComputerId, receivedAt } = row;
    const base = { tenantId, deviceId, instanceId };
    return [
      ...(receivedAt === null ? [] : [{ ...base, stage: 'received' as const, at: receivedAt }]),
      { ...base, stage: 'fetched', detail: `computer ${jamfComputerId}${leftOut(found)}` },
    ];
  });
  return [...events, ...[...moved.values()].map((outcome) => routeEvent(tenantId, outcome))];
}

export interface TakenIn {
  readonly verdictMissing: ReadonlySet<DueComputer>;
  /** Routes changed: other processes are to hear of it after the commit. */
  readonly routed: boolean;
  /** Reports were made due. */
  readonly reported: boolean;
  /** Number of devices whose state is new. */
  readonly received: number;
  /** Events for the devices' timelines, written after the commit. */
  readonly timelineEvents: readonly TenantTimelineEvent[];
}

/** Takes in computers whose rows the transaction has locked; says whose verdict was not there yet. */
export async function takeIn(
  tx: Transaction,
  tenantId: string,
  reads: readonly ReadComputer[],
  { sha256, vocabulary }: { readonly vocabulary: InventoryVocabulary; readonly sha256: Sha256 },
): Promise<TakenIn> {
  const byId = new Map(reads.map((read) => [`${read.row.instanceId}/${read.row.jamfComputerId}`, read]));
  const outcomes = await recordClaims(tx, tenantId, reads.map(claimsOf), (computer) => {
    const read = byId.get(`${computer.instanceId}/${computer.jamfComputerId}`);
    const author = `instance ${read?.instance.name ?? computer.instanceId}`;
    return { author, reason: read?.found ? 'claimed by inventory' : 'the computer is gone' };
  });
  const sorted = sortOut(outcomes, byId, vocabulary);
  const withdrawn = await retractions(tx, tenantId, sorted.retracted);
  const news = await setReports(
    tx,
    tenantId,
    [...sorted.reports.map(({ report }) => report), ...withdrawn],
    sha256,
  );
  await readWinners(tx, tenantId, sorted.winners);
  const routed = outcomes.some(({ changed }) => changed);
  const timelineEvents = timelineOf(tenantId, outcomes, sorted, news);
  return {
    verdictMissing: sorted.verdictMissing,
    reported: news.size > 0,
    received: news.size,
    routed,
    timelineEvents,
  };
}
