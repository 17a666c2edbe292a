/** What the log of a `serve` on several processes, and its metrics, say of them. */

export interface ProcessSeen {
  /** In the order of their numbers. */
  readonly running: readonly { readonly number: number; readonly pid: number }[];
  /** Pid of the one that delivers, as it last said. */
  readonly delivering: number | undefined;
}

interface Line {
  readonly event: string;
  readonly process: number;
  readonly pid: number;
}

function linesIn(output: string): Line[] {
  return output.split('\n').flatMap((line) => {
    if (!line.startsWith('{') || !line.endsWith('}')) return [];
    const read = JSON.parse(line) as Partial<Line>;
    return read.event !== undefined && read.process !== undefined && read.pid !== undefined
      ? [read as Line]
      : [];
  });
}

export function processesIn(output: string): ProcessSeen {
  const running = new Map<number, number>();
  let delivering: number | undefined;
  for (const { event, pid, process: number } of linesIn(output)) {
    if (event === 'process.started') running.set(number, pid);
    if (event === 'process.ended' && running.get(number) === pid) running.delete(number);
    if (event === 'process.delivers') delivering = pid;
  }
  return {
    running: [...running].sort(([a], [b]) => a - b).map(([number, pid]) => ({ number, pid })),
    delivering,
  };
}

/** The sum of a metric's series in Prometheus text, those that have these labels. */
export function metricOf(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => wanted.every((one) => line.includes(one)))
    .reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
}
