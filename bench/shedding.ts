import { type Kind, startCallerScene } from './caller-scene.ts';
import type { Caller, CallerResult } from './callers.ts';
import { type Finding, type Run, wait } from './run.ts';
import { columns, tenths, whole } from './table.ts';

/**
 * More than the gateway can do, of all classes together: what of each is refused, in which order it begins, and how device
 * calls fare. Limits are raised, so that nothing but the pressure refuses.
 */

const defaultSeconds = 20;
const sampleMs = 250;

const crowd: readonly (readonly [Kind, number])[] = [
  ['large pushes', 16],
  ['lists', 16],
  ['exports', 4],
  ['pages', 100],
  ['webhooks', 300],
  ['calls', 500],
];

const countOf = ({ statuses }: CallerResult, is: (status: number) => boolean): number =>
  Object.entries(statuses).reduce((sum, [status, count]) => sum + (is(Number(status)) ? count : 0), 0);

async function levelOf(ops: string): Promise<number | undefined> {
  const text = await fetch(`${ops}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  );
  const level = /^espalier_pressure(?:{[^}]*})? (\d+)/m.exec(text)?.[1];
  return level === undefined ? undefined : Number(level);
}

export async function sheddingBench(run: Run): Promise<Finding[]> {
  const { seconds = defaultSeconds } = run.options;
  const scene = await startCallerScene(run, { ESPALIER_CONNECTIONS_PER_ADDRESS: '10000' });
  const { ops } = scene.scene.gateway;
  const callers = crowd.map(
    ([kind, connections]): Caller => ({
      ...{ name: kind, connections },
      origin: scene.originOf(kind),
      requests: scene.requests(kind, 'noisy'),
    }),
  );
  const levels: number[] = [];
  let isOver = false;
  const watch = async (): Promise<void> => {
    while (!isOver) {
      const level = await levelOf(ops);
      if (level !== undefined) levels.push(level);
      await wait(sampleMs, run.signal);
    }
  };
  const watching = watch();
  const results = await scene.play('noisy', callers, seconds);
  isOver = true;
  await watching;
  const endedMs = performance.now();
  let calmMs = 0;
  for (let level: number | undefined = 1; level !== 0; level = await levelOf(ops)) {
    await wait(sampleMs, run.signal);
    calmMs = performance.now() - endedMs;
    if (calmMs > 60_000) throw new Error('the pressure did not end');
  }
  const rows = results.map((result) => {
    const answered = countOf(result, (status) => status >= 200 && status < 400);
    const shed = countOf(result, (status) => status === 503);
    const all = countOf(result, () => true);
    return [
      result.name,
      whole(answered / result.seconds),
      whole(shed / result.seconds),
      `${whole(all - answered - shed)}`,
      tenths(result.p50Ms),
      tenths(result.p99Ms),
      result.shedAfterMs === undefined ? 'never' : tenths(result.shedAfterMs / 1_000),
    ];
  });
  const share = (level: number): string =>
    `${level}: ${Math.round((100 * levels.filter((one) => one === level).length) / Math.max(1, levels.length))} %`;
  return [
    {
      title: `more than there is capacity for, ${seconds} s`,
      lines: [
        ...columns([
          ['', 'answered/s', 'refused/s', 'other', 'p50 ms', 'p99 ms', 'first refused after s'],
          ...rows,
        ]),
        `levels of pressure, of ${levels.length} looks: ${[0, 1, 2, 3, 4, 5].map(share).join(', ')}; calm ${tenths(calmMs / 1_000)} s after the end`,
      ],
      data: { seconds, results, levels, calmMs },
    },
  ];
}
