import type { SenderPlan, SenderResult } from './hostile-sender.ts';
import { hostileBodies } from './hostile-table.ts';
import { type WatchedLoop, watchLoopOf } from './loop-file.ts';
import type { LoopSeen } from './loop-slices.ts';
import { type Finding, type Run, unlessAborted, wait } from './run.ts';
import { type Scene, startScene } from './scene.ts';
import { columns, tenths, whole } from './table.ts';
import { processorSeconds, residentMegabytes } from './usage.ts';
import { startWorker, type Worker } from './worker.ts';

/**
 * What one instance's worst bodies do to the process and to another instance: each body is sent over and over on two
 * connections, while the other instance sends an ordinary webhook every ten milliseconds.
 */

const defaultSeconds = 4;
const hostileConnections = 2;
const neighbourPauseMs = 10;
const answerPatienceMs = 120_000;
const sampleMs = 50;

interface Row {
  readonly body: string;
  readonly sent: SenderResult | undefined;
  readonly neighbour: SenderResult;
  readonly loop: LoopSeen;
  readonly processors: number;
  readonly cpuMsEach: number | undefined;
  readonly peakMegabytes: number;
}

interface Parts {
  readonly scene: Scene;
  readonly hostile: Worker<SenderPlan, SenderResult>;
  readonly neighbour: Worker<SenderPlan, SenderResult>;
  readonly senders: readonly { readonly id: string; readonly key: string }[];
  readonly watched: WatchedLoop;
  readonly durationMs: number;
  readonly signal: AbortSignal;
}

async function measure(parts: Parts, body: string | undefined): Promise<Row> {
  const { durationMs, hostile, neighbour, scene, senders, signal, watched } = parts;
  const { gateway, trust: ca } = scene;
  const plan = (index: number): Omit<SenderPlan, 'body' | 'connections' | 'pauseMs'> => ({
    origin: gateway.data,
    ca,
    instanceId: senders[index]!.id,
    key: senders[index]!.key,
    durationMs,
  });
  await watched.seen(gateway);
  let peakMegabytes = 0;
  const sample = setInterval(() => {
    peakMegabytes = Math.max(peakMegabytes, residentMegabytes(gateway.pid) ?? 0);
  }, sampleMs);
  const before = processorSeconds(gateway.pid) ?? 0;
  const began = performance.now();
  const patience = durationMs + answerPatienceMs;
  const told = neighbour.ask(
    { ...plan(1), body: undefined, connections: 1, pauseMs: neighbourPauseMs },
    patience,
  );
  const sent =
    body === undefined
      ? undefined
      : await unlessAborted(
          signal,
          hostile.ask({ ...plan(0), body, connections: hostileConnections, pauseMs: 0 }, patience),
        );
  const ordinary = await unlessAborted(signal, told);
  clearInterval(sample);
  const cpuSeconds = (processorSeconds(gateway.pid) ?? 0) - before;
  const seconds = (performance.now() - began) / 1_000;
  return {
    body: body ?? 'nothing',
    sent,
    neighbour: ordinary,
    loop: await watched.seen(gateway),
    processors: cpuSeconds / seconds,
    cpuMsEach: sent && (cpuSeconds * 1_000) / sent.answers,
    peakMegabytes,
  };
}

const statusesOf = ({ statuses }: SenderResult): string =>
  Object.entries(statuses)
    .map(([status, count]) => `${status}×${count}`)
    .join(' ');

const errorsOf = ({ statuses }: SenderResult): number =>
  Object.entries(statuses).reduce((sum, [status, count]) => (status === '202' ? sum : sum + count), 0);

function tableOf(rows: readonly Row[]): string[] {
  const headings = [
    ...[
      'body',
      'KB sent',
      'answers',
      'p50 s',
      'CPU ms each',
      'processors',
      'longest slice ms',
      'collection ms',
    ],
    ...['peak MB', "neighbour's p50 ms", 'p99 ms', 'max ms', 'errors'],
  ];
  const cells = rows.map(({ body, cpuMsEach, loop, neighbour, peakMegabytes, processors, sent }) => [
    body,
    sent ? whole(sent.bytes / 1_024) : '',
    sent ? statusesOf(sent) : '',
    sent ? (sent.p50Ms / 1_000).toFixed(2) : '',
    cpuMsEach === undefined ? '' : whole(cpuMsEach),
    processors.toFixed(2),
    tenths(loop.longestSliceMs),
    tenths(loop.longestCollectionMs),
    whole(peakMegabytes),
    ...[neighbour.p50Ms, neighbour.p99Ms, neighbour.maxMs].map(tenths),
    String(errorsOf(neighbour)),
  ]);
  return columns([headings, ...cells]);
}

export async function hostileBodiesBench(run: Run): Promise<Finding[]> {
  const { options, signal, stack } = run;
  const watched = watchLoopOf(run);
  const scene = await startScene(run, watched.environment);
  const hostile: Parts['hostile'] = startWorker('./hostile-sender.ts');
  stack.defer(() => hostile.stop());
  const neighbour: Parts['neighbour'] = startWorker('./hostile-sender.ts');
  stack.defer(() => neighbour.stop());
  const senders = [await scene.addInstance('hostile'), await scene.addInstance('neighbour')];
  for (const { id } of senders) await scene.api('POST', `/tenants/${scene.tenantId}/instances/${id}/pause`);
  const durationMs = (options.seconds ?? defaultSeconds) * 1_000;
  const parts: Parts = { scene, hostile, neighbour, senders, watched, durationMs, signal };
  // Warm: what is compiled for the first time is no finding.
  await measure(parts, undefined);
  const rows: Row[] = [];
  for (const body of [undefined, ...Object.keys(hostileBodies), undefined]) {
    rows.push(await measure(parts, body));
    await wait(500, signal);
  }
  const longest = Math.max(...rows.map(({ loop }) => loop.longestSliceMs));
  const verdict = `longest slice of all ${tenths(longest)} ms, bound 50 ms`;
  const title = `each body on ${hostileConnections} connections for ${durationMs / 1_000} s, a neighbour's webhook every ${neighbourPauseMs} ms`;
  return [{ title, lines: [...tableOf(rows), verdict], data: { rows } }];
}
