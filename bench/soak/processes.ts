import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childrenOf } from '../../test/harness/children.ts';
import { processesIn } from '../../test/harness/processes.ts';
import type { Holding } from './probe.ts';

const probe = fileURLToPath(new URL('./probe.ts', import.meta.url));
/** One that just starts has much else to do first. */
const answerWithinMs = 10_000;

/** Variables that put the probe into every process of a gateway; `dir` is where their sockets will be. */
export const probing = (dir: string): Record<string, string> => ({
  NODE_OPTIONS: `--expose-gc --import=${probe}`,
  SOAK_PROBES: dir,
});

export interface NamedProcess {
  readonly name: string;
  readonly pid: number;
}

/** The supervisor of a `serve` and its processes, by what its log says of them. */
export function processesOf(supervisor: number, log: string): NamedProcess[] {
  const { running } = processesIn(readFileSync(log, 'utf8'));
  const living = new Set(childrenOf(supervisor));
  return [
    { name: 'supervisor', pid: supervisor },
    ...running
      .filter(({ pid }) => living.has(pid))
      .map(({ number, pid }) => ({ name: `process ${number}`, pid })),
  ];
}

/** What the process holds after a collection; undefined: it just starts, or has just ended. */
export function askHolding(dir: string, pid: number): Promise<Holding | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(join(dir, `${pid}.sock`));
    let text = '';
    socket.setTimeout(answerWithinMs, () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', () => resolve(undefined));
    socket.on('end', () => resolve(text === '' ? undefined : (JSON.parse(text) as Holding)));
  });
}
