import { acceptedReports, proveArrivals } from './arrivals.ts';
import { type CloudScene, startCloudScene } from './cloud-scene.ts';
import { pushAll, stateOf } from './delivery.ts';
import { type Finding, type Run, until, wait } from './run.ts';
import { busy, columns, tenths, whole } from './table.ts';
import { type MemoryCourse, startMemory, startUsage } from './usage.ts';

/**
 * An outage: devices of several tenants become due while Intune takes nothing. How long it takes until all of them are
 * accepted once Intune is back, and what the gateway's memory does meanwhile.
 */

const defaultDevices = 100_000;
const tenants = 10;
const defaultPerUpload = [50] as const;
const patienceMs = 1_800_000;
/** Intune stays away a little longer than the last push, so that every report has met the outage or waits behind it. */
const lingerMs = 10_000;
/** Above what any caller waits for; the fault is taken back long before. */
const silenceMs = 600_000;

const outages = {
  refuses: { service: 'intune', path: 'DataUploadMessages', status: 503 },
  silent: { service: 'intune', path: 'DataUploadMessages', delayMs: silenceMs },
} as const;

/** Stage one is over: every pushed record has become a report. */
const allReported = (scene: CloudScene, devices: number, signal: AbortSignal): Promise<void> =>
  until('the reports became due', { everyMs: 1_000, patienceMs, signal }, async () => {
    const [row] = await scene.sql<{ reports: number }[]>`select count(*)::int as reports from reports`;
    return {
      done: row?.reports === devices,
      now: `${row?.reports} of ${devices}\n${scene.gateway.output()}`,
    };
  });

function memoryLine(what: string, course: MemoryCourse | undefined): string {
  if (!course) return `${what}: not known on this system`;
  const { firstMegabytes, lastMegabytes, maxMegabytes, medianMegabytes, minMegabytes, samples } = course;
  const slope = `${course.megabytesPerMinute >= 0 ? '+' : ''}${tenths(course.megabytesPerMinute)} MB a minute`;
  return `${what}: min ${whole(minMegabytes)}, median ${whole(medianMegabytes)}, max ${whole(maxMegabytes)} MB; first ${whole(firstMegabytes)}, last ${whole(lastMegabytes)}, ${slope} over ${samples} samples`;
}

async function measure(run: Run, devices: number, perUpload: number): Promise<Finding> {
  const { signal } = run;
  const { outage = 'refuses' } = run.options;
  await using stack = new AsyncDisposableStack();
  const each = Math.ceil(devices / tenants);
  const scene = await startCloudScene(
    { ...run, stack },
    {
      tenants: Array.from({ length: tenants }, () => each),
      settings: { ESPALIER_UPLOAD_MAX_DEVICES: String(perUpload) },
    },
  );
  const total = each * tenants;
  const fault = await scene.control('POST', '/faults', outages[outage]);
  const endFill = startMemory(scene.processes.gateway);
  const state = stateOf(1);
  const pushed = await pushAll(scene, state, signal);
  await allReported(scene, total, signal);
  await wait(lingerMs, signal);
  const early = await acceptedReports(scene, scene.tenants);
  if (early > 0) throw new Error(`${early} reports were accepted during the outage`);
  const filling = endFill();

  const endUsage = startUsage(scene.processes);
  const endMemory = startMemory(scene.processes.gateway);
  const backAt = Date.now();
  await scene.control('DELETE', `/faults/${fault.id}`);
  await until('the reports were accepted', { everyMs: 1_000, patienceMs, signal }, async () => {
    const accepted = await acceptedReports(scene, scene.tenants);
    return { done: accepted >= total, now: `${accepted} of ${total}\n${scene.gateway.output()}` };
  });
  const memory = endMemory();
  const usage = endUsage();
  const { lastAt, messages, resent } = await proveArrivals(scene, state, pushed.startedAt);
  const seconds = (lastAt - backAt) / 1_000;
  const headings = ['', 'seconds', 'reports/s', 'messages', 'gateway', 'Intune', 'PostgreSQL'];
  const row = [
    'caught up',
    tenths(seconds),
    whole(total / seconds),
    whole(messages),
    ...[usage.gateway, usage.intune, usage.postgres].map(busy),
  ];
  return {
    title: `${whole(total)} due devices of ${tenants} tenants after Intune ${outage === 'refuses' ? 'answered 503' : 'answered nothing'}, up to ${perUpload} in an upload`,
    lines: [
      ...columns([headings, row]),
      memoryLine('gateway during the outage', filling),
      memoryLine('gateway while catching up', memory),
      `every device arrived, ${resent} messages were sent again`,
    ],
    data: { devices: total, tenants, perUpload, outage, seconds, messages, resent, usage, filling, memory },
  };
}

export async function catchUp(run: Run): Promise<Finding[]> {
  const { devices = defaultDevices, perUpload = defaultPerUpload } = run.options;
  const findings: Finding[] = [];
  for (const each of perUpload) findings.push(await measure(run, devices, each));
  return findings;
}
