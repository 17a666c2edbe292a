import { type CloudScene, type ConnectedTenant, startCloudScene } from './cloud-scene.ts';
import { openConnection } from './connection.ts';
import { settled } from './delivery.ts';
import { type Finding, type Run, until, wait } from './run.ts';
import { columns, tenths, whole } from './table.ts';
import { familyProcessorSeconds, processorSeconds } from './usage.ts';

/**
 * What a check-in costs that says nothing new: folded, beside one that is read at once. Both go to the same gateway in the
 * same run, for Macs whose record never changes. The unfolded ones are the same body under the name of another event, which
 * is never folded, and count until their computers were read and taken in. As fast as they can, many reads share a
 * statement; at the rate of a fleet few do, so both are measured.
 */

const defaultDevices = 2_000;
/** Folded check-ins of each Mac. */
const foldedEach = 5;
const connections = 32;
/** As 45,000 Macs send them, one each 15 minutes. */
const steadyPerSecond = 50;
const patienceMs = 240_000;
/** Longer than the benchmark: no period ends in it. */
const periodSeconds = '3600';
const reportDate = '2026-11-01T08:00:00.000Z';

const body = (event: string, computer: number): string =>
  `{"webhook":{"id":1,"name":"Check-ins","webhookEvent":"${event}","eventTimestamp":1793000000123},"event":{"computer":{"jssID":${computer},"udid":"55900BDC-347C-58B1-D249-F32244B11D30","deviceName":"Mac ${computer}","serialNumber":"C02BENCH${computer}","osVersion":"26.1","model":"Mac16,1","username":"someone","managementId":"73226fb6-61df-4c10-9552-eb9bc353d507"},"trigger":"CLIEvent","username":"someone"}}`;

interface Cost {
  readonly name: string;
  readonly checkIns: number;
  readonly seconds: number;
  readonly gatewayMs: number;
  readonly postgresMs: number;
  readonly walBytes: number;
}

interface Sending {
  readonly signal: AbortSignal;
  /** Events about each Mac. */
  readonly times?: number;
  /** Default: as fast as they are answered. */
  readonly perSecond?: number;
}

/** One event about every Mac, each answered 202. */
async function sendAll(
  scene: CloudScene,
  tenant: ConnectedTenant,
  event: string,
  { perSecond = Number.POSITIVE_INFINITY, signal, times = 1 }: Sending,
): Promise<void> {
  const beganMs = performance.now();
  let sent = 0;
  const left = Array.from({ length: tenant.devices * times }, (_, index) => 1 + (index % tenant.devices));
  const path = `/jamf/${tenant.instanceId}/webhooks`;
  const head = `content-type: application/json\r\nx-api-key: ${tenant.key}\r\n`;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const connection = await openConnection(scene.gateway.data, scene.trust);
      try {
        for (let computer = left.pop(); computer !== undefined; computer = left.pop()) {
          const dueMs = beganMs + (sent / perSecond) * 1_000;
          sent += 1;
          if (dueMs > performance.now()) await wait(dueMs - performance.now(), signal);
          const answer = await connection.exchange({
            method: 'POST',
            path,
            head,
            body: body(event, computer),
          });
          if (answer.status !== 202) throw new Error(`${path} answered ${answer.status}: ${answer.text}`);
        }
      } finally {
        connection.close();
      }
    }),
  );
}

const read = ({ sql }: CloudScene, signal: AbortSignal): Promise<void> =>
  until('the computers were read', { everyMs: 100, patienceMs, signal }, async () => {
    const [row] = await sql<{ due: number }[]>`
      select count(*)::int as due from computers where next_try_at is not null`;
    return { done: row?.due === 0, now: `${row?.due} are due` };
  });

async function costOf(
  { processes, sql }: CloudScene,
  { checkIns, name }: Pick<Cost, 'name' | 'checkIns'>,
  work: () => Promise<void>,
): Promise<Cost> {
  const look = async () => {
    const [row] = await sql<
      { wal: number }[]
    >`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal`;
    const [gateway, postgres] = [
      processorSeconds(processes.gateway),
      familyProcessorSeconds(processes.postgres),
    ];
    if (!row || gateway === undefined || postgres === undefined) throw new Error('this system has no /proc');
    return { wal: row.wal, gateway, postgres };
  };
  const before = await look();
  const startedMs = performance.now();
  await work();
  const seconds = (performance.now() - startedMs) / 1_000;
  const after = await look();
  const each = (used: number): number => used / checkIns;
  return {
    ...{ name, checkIns, seconds },
    gatewayMs: each((after.gateway - before.gateway) * 1_000),
    postgresMs: each((after.postgres - before.postgres) * 1_000),
    walBytes: each(after.wal - before.wal),
  };
}

const wishes = async ({ sql }: CloudScene): Promise<number> => {
  const [row] = await sql<{ wanted: number }[]>`
    select coalesce(sum(wanted_revision), 0)::float8 as wanted from computers`;
  return row?.wanted ?? 0;
};

const row = (cost: Cost): string[] => [
  cost.name,
  whole(cost.checkIns),
  tenths(cost.seconds),
  cost.gatewayMs.toFixed(3),
  cost.postgresMs.toFixed(3),
  whole(cost.walBytes),
];

function ratioLine(folded: Cost, unfolded: Cost): string {
  const both = (folded.gatewayMs + folded.postgresMs) / (unfolded.gatewayMs + unfolded.postgresMs);
  const of = (key: 'gatewayMs' | 'postgresMs'): string => (folded[key] / unfolded[key]).toFixed(3);
  const wal = (folded.walBytes / unfolded.walBytes).toFixed(4);
  return `ratio of processor time ${both.toFixed(3)} (gateway ${of('gatewayMs')}, PostgreSQL ${of('postgresMs')}), of WAL ${wal}`;
}

export async function checkIns(run: Run): Promise<Finding[]> {
  const { signal } = run;
  const devices = run.options.devices ?? defaultDevices;
  const scene = await startCloudScene(run, {
    tenants: [devices],
    ownInstances: true,
    reportDate,
    settings: {
      ESPALIER_CHECK_IN_SECONDS: periodSeconds,
      ESPALIER_POLL_SECONDS: '0',
      ESPALIER_RECONCILE_SECONDS: '0',
      ESPALIER_UPLOAD_MAX_DEVICES: '50',
      ESPALIER_VERIFY_SAMPLE: '0',
    },
  });
  const [tenant] = scene.tenants;
  if (!tenant) throw new Error('the scene has no tenant');
  // The Macs become known, are read and told.
  await sendAll(scene, tenant, 'ComputerInventoryCompleted', { signal });
  await read(scene, signal);
  await settled(scene, signal);
  const readAtOnce = async (name: string, sending: Sending): Promise<Cost> => {
    const cost = await costOf(scene, { name, checkIns: devices }, async () => {
      await sendAll(scene, tenant, 'ComputerInventoryCompleted', sending);
      await read(scene, signal);
    });
    await settled(scene, signal);
    return cost;
  };
  const steady = { perSecond: steadyPerSecond, signal };
  const unfolded = await readAtOnce('read at once', { signal });
  const steadyUnfolded = await readAtOnce(`read, ${steadyPerSecond} a second`, steady);
  const before = await wishes(scene);
  // The way of a folded one is new to the process, too.
  await sendAll(scene, tenant, 'ComputerCheckIn', { signal });
  const floor = await costOf(scene, { name: 'ignored', checkIns: devices * foldedEach }, () =>
    sendAll(scene, tenant, 'MobileDeviceCheckIn', { times: foldedEach, signal }),
  );
  const folded = await costOf(scene, { name: 'folded', checkIns: devices * foldedEach }, () =>
    sendAll(scene, tenant, 'ComputerCheckIn', { times: foldedEach, signal }),
  );
  const steadyFolded = await costOf(
    scene,
    { name: `folded, ${steadyPerSecond} a second`, checkIns: devices },
    () => sendAll(scene, tenant, 'ComputerCheckIn', steady),
  );
  const after = await wishes(scene);
  if (after !== before) throw new Error(`${after - before} of the check-ins were not folded`);
  return [
    {
      title: `${whole(devices)} Macs of one tenant that check in and have no news`,
      lines: [
        ...columns([
          ['', 'check-ins', 'seconds', 'gateway ms each', 'PostgreSQL ms each', 'WAL bytes each'],
          row(unfolded),
          row(folded),
          row(floor),
          row(steadyUnfolded),
          row(steadyFolded),
        ]),
        `as fast as they can: ${ratioLine(folded, unfolded)}`,
        `${steadyPerSecond} a second: ${ratioLine(steadyFolded, steadyUnfolded)}`,
        'none of the folded wrote a row; the one read of each Mac at the end of its period is not in it, and costs what one that is read at once does',
      ],
      data: { devices, unfolded, folded, floor, steadyUnfolded, steadyFolded },
    },
  ];
}
