/** A bar on standard error where that is a terminal, otherwise nothing: logs of a pipeline stay readable. */

export interface Progress {
  update(done: number, note?: string): void;
  stop(): void;
}

const none: Progress = { update: () => undefined, stop: () => undefined };

/** `total` undefined counts without an end. `unit` stands behind the numbers. */
export async function startProgress(
  label: string,
  unit: string,
  total: number | undefined,
): Promise<Progress> {
  const { stderr } = process;
  if (!stderr.isTTY || process.env.TERM === 'dumb') return none;
  const { Presets, SingleBar } = await import('cli-progress');
  const known = `${label} {bar} {percentage}% {value}/{total} ${unit} {duration_formatted} {note}`;
  const format = total === undefined ? `${label} {value} ${unit} {duration_formatted} {note}` : known;
  const bar = new SingleBar({ format, stream: stderr, hideCursor: true, fps: 5 }, Presets.shades_classic);
  bar.start(total ?? 0, 0, { note: '' });
  return {
    update: (done, note = '') => bar.update(total === undefined ? done : Math.min(done, total), { note }),
    stop: () => bar.stop(),
  };
}
