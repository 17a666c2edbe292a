import type { DueReport, NewMessage, Settled } from '../../src/store/reports/report-row.ts';
import type { MemoryReport } from '../harness/memory-report-row.ts';
import type { Plan } from './plan.ts';
import type { Trace } from './trace.ts';

/** What must hold at every moment, whatever goes wrong; the first breach ends the run. */
export interface Laws {
  breach(): string | undefined;
  broken(text: string): void;
  /** A lease took these rows; those that another holder still had on paper had run out. */
  leased(process: string, rows: readonly DueReport[], ranOut: readonly MemoryReport[]): void;
  /** The database lost these leases. */
  lost(deviceIds: readonly string[]): void;
  stored(message: NewMessage, devices: ReadonlySet<string>): void;
  /** A finding that is about to count: its lease stands. */
  settled(settled: Settled): void;
  /** A process begins to send a message; the answer says that it has its answer. */
  sending(upload: Sending): () => void;
  /** Intune's `Retry-After` has reached the process. */
  askedForSilence(process: string, tenantId: string, seconds: number): void;
  /** Intune made this the newest state of the device. */
  applied(deviceId: string, version: number): void;
  inWork(process: string, rows: readonly DueReport[]): void;
}

export interface Sending {
  readonly process: string;
  readonly tenantId: string;
  readonly messageId: string;
  readonly body: string;
  readonly devices: readonly string[];
  /** Since when the tenant is paused or not connected, and since when it is held. */
  readonly closedSinceMs: number | undefined;
  readonly heldSinceMs: number | undefined;
}

interface Message {
  readonly storedAtMs: number;
  readonly revisions: ReadonlyMap<string, number>;
  /** Devices that may be told the same revision under another id: Intune refused, failed or lost this one. */
  readonly excused: Set<string>;
  body: string | undefined;
}

interface Flight {
  readonly process: string;
  readonly messageId: string;
  readonly leasedAtMs: number;
}

export function createLaws(plan: Plan, now: () => number, trace: Trace): Laws {
  let breach: string | undefined;
  const broken = (text: string): void => {
    breach ??= text;
    trace.line(`BREACH ${text}`);
  };
  const messages = new Map<string, Message>();
  const ranOutAtMs = new Map<string, number>();
  const leasedAtMs = new Map<string, number>();
  const flights = new Map<string, Set<Flight>>();
  const lastUpdateMs = new Map<string, number>();
  const idsOf = new Map<string, Set<string>>();
  const quietUntilMs = new Map<string, number>();
  const probedAtMs = new Map<string, number>();
  const versions = new Map<string, number>();
  /** What was remembered of a tenant is one second old at most; the rest is what calls may take in between. */
  const graceMs = plan.calm ? 2_000 : 100_000;

  const checkBody = (message: Message, { body, messageId }: Sending): void => {
    if (message.body !== undefined && message.body !== body) broken(`message ${messageId} has two bodies`);
    message.body = body;
  };
  const checkIds = (message: Message, { messageId }: Sending): void => {
    for (const [deviceId, revision] of message.revisions) {
      // A process that stood still sends late what others have settled since: Intune knows newer.
      const late = message.excused.has(deviceId) && (ranOutAtMs.get(deviceId) ?? 0) >= message.storedAtMs;
      if (late) continue;
      const key = `${deviceId}/${revision}`;
      const ids = idsOf.get(key) ?? new Set<string>();
      for (const id of ids) {
        if (id !== messageId && !messages.get(id)?.excused.has(deviceId)) {
          broken(`revision ${revision} of ${deviceId} was sent as ${id} and is sent as ${messageId}`);
        }
      }
      idsOf.set(key, ids.add(messageId));
    }
  };
  const checkFlights = ({ devices, messageId, process }: Sending): void => {
    for (const deviceId of devices) {
      for (const other of flights.get(deviceId) ?? []) {
        if (other.process === process && other.messageId === messageId && plan.calm) {
          broken(`${process} sends ${messageId} twice at the same time`);
        }
        if (other.process === process) continue;
        // Since the first of the two leased it: the one that sends now may be the one that stood still.
        const firstAtMs = Math.min(other.leasedAtMs, messages.get(messageId)?.storedAtMs ?? other.leasedAtMs);
        if ((ranOutAtMs.get(deviceId) ?? 0) >= firstAtMs) continue;
        broken(`${process} sends ${deviceId} while ${other.process} does, and no lease ran out`);
      }
    }
  };
  const checkTenant = ({ closedSinceMs, heldSinceMs, process, tenantId }: Sending): void => {
    if (closedSinceMs !== undefined && now() - closedSinceMs > graceMs) {
      broken(`${process} sends for ${tenantId}, closed for ${now() - closedSinceMs} ms`);
    }
    const key = `${process}/${tenantId}`;
    if ((quietUntilMs.get(key) ?? 0) > now() + 1)
      broken(`${process} sends for ${tenantId}, asked for silence`);
    if (heldSinceMs === undefined || now() - heldSinceMs <= graceMs) return;
    const sinceProbeMs = now() - (probedAtMs.get(key) ?? 0);
    if (plan.calm && sinceProbeMs < plan.holdRecheckSeconds * 1_000 - graceMs) {
      broken(`${process} probes the held tenant ${tenantId} after ${sinceProbeMs} ms`);
    }
    probedAtMs.set(key, now());
  };
  /** Others of the message in other hands for good: only after a lease ran out, or where one was excused. */
  const brokeApart = (message: Message): boolean =>
    message.excused.size > 0 ||
    [...message.revisions.keys()].some((deviceId) => (ranOutAtMs.get(deviceId) ?? 0) >= message.storedAtMs);

  return {
    breach: () => breach,
    broken,
    leased: (process, rows, ranOut) => {
      for (const { deviceId } of rows) leasedAtMs.set(`${process}/${deviceId}`, now());
      for (const { deviceId } of ranOut) {
        ranOutAtMs.set(deviceId, now());
        if (plan.calm) broken(`the lease of ${deviceId} ran out in calm weather`);
      }
    },
    lost: (deviceIds) => {
      for (const deviceId of deviceIds) ranOutAtMs.set(deviceId, now());
    },
    stored: ({ messageId, parts }, devices) => {
      const kept = parts.filter(({ row }) => devices.has(row.deviceId));
      for (const { lastUpdateAt, row } of kept) {
        if (lastUpdateAt.getTime() <= (lastUpdateMs.get(row.deviceId) ?? 0)) {
          broken(`LastUpdateTime of ${row.deviceId} does not increase`);
        }
        lastUpdateMs.set(row.deviceId, lastUpdateAt.getTime());
      }
      const revisions = new Map(kept.map(({ row }) => [row.deviceId, row.revision]));
      messages.set(messageId, { storedAtMs: now(), revisions, excused: new Set(), body: undefined });
    },
    settled: ({ found, row }) => {
      const message = row.messageId === null ? undefined : messages.get(row.messageId);
      if (!message) return;
      const undecided = found.reason === 'message-incomplete' && !brokeApart(message);
      const closed = found.messageOpen === false && found.state !== 'accepted';
      const decided = found.event?.stage === 'refused' || found.event?.stage === 'failed';
      const lost = found.reason === 'message-unknown';
      if (!undecided && (closed || decided || lost)) message.excused.add(row.deviceId);
    },
    sending: (upload) => {
      const message = messages.get(upload.messageId);
      if (!message) broken(`message ${upload.messageId} is sent and was not stored`);
      else {
        checkBody(message, upload);
        checkIds(message, upload);
      }
      checkFlights(upload);
      checkTenant(upload);
      const ends = upload.devices.map((deviceId) => {
        const { messageId, process } = upload;
        const since = leasedAtMs.get(`${process}/${deviceId}`) ?? now();
        const flight = { process, messageId, leasedAtMs: since };
        const all = flights.get(deviceId) ?? new Set();
        flights.set(deviceId, all.add(flight));
        return () => void all.delete(flight);
      });
      return () => {
        for (const end of ends) end();
      };
    },
    askedForSilence: (process, tenantId, seconds) => {
      const key = `${process}/${tenantId}`;
      quietUntilMs.set(key, Math.max(quietUntilMs.get(key) ?? 0, now() + seconds * 1_000));
    },
    applied: (deviceId, version) => {
      if (version < (versions.get(deviceId) ?? 0)) broken(`${deviceId} went back to version ${version}`);
      versions.set(deviceId, version);
    },
    inWork: (process, rows) => {
      // The others of an open message come beside the shares.
      const own = rows.filter((row) => !row.messageOpen).length;
      if (own > plan.rows || rows.length > plan.rows * plan.maxDevices) {
        broken(`${process} has ${rows.length} rows in work, ${own} of them new`);
      }
    },
  };
}
