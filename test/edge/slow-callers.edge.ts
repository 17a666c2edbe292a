import { spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ask,
  type EdgeScene,
  hasProgram,
  openFiles,
  pidOf,
  settled,
  startEdgeScene,
  tableOf,
} from './edge-scene.ts';

/**
 * Debian's slowhttptest holds as many connections as it can by being slow at each part of a request, from one address, while
 * device calls come from another. They are all answered, and what was held is let go.
 */

const seconds = 40;
const slowConnections = 1_000;
/** Between two device calls, each on a new connection. */
const callEveryMs = 100;
/** Descriptors that a process opens and closes by itself. */
const otherFiles = 25;

const modes = [
  ['slow head', ['-H', '-i', '3'], 50],
  ['slow body', ['-B', '-i', '3', '-s', '8192'], 50],
  // Ranges are answered at once, as a request without them, and nothing is held.
  ['ranges', ['-R', '-a', '5', '-b', '3000'], 0],
  ['slow read', ['-X', '-w', '10', '-y', '20', '-n', '3', '-z', '8', '-k', '3'], 50],
] as const;

const rows: (string | number)[][] = [
  ['mode', 'slow connections', 'most held', 'calls', 'answered 200', 'held after it'],
];

function slowly(mode: readonly string[], url: string): Promise<number | null> {
  const args = [
    ...mode,
    '-c',
    slowConnections,
    '-r',
    slowConnections / 5,
    '-l',
    seconds,
    '-p',
    5,
    '-v',
    0,
    '-u',
    url,
  ];
  const child = spawn('slowhttptest', args.map(String), { stdio: 'ignore' });
  return new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
}

describe.runIf(hasProgram('slowhttptest'))('slow callers', () => {
  let edge: EdgeScene;
  beforeAll(async () => {
    edge = await startEdgeScene();
  });
  afterAll(async () => {
    await edge?.close();
    process.stdout.write(`\n${tableOf(rows)}\n`);
  });

  test.each(modes)(
    '%s: device calls are answered all the while, and everything is let go',
    async (name, mode, heldAtLeast) => {
      const { data } = edge.scene.gateway;
      const pid = pidOf(edge.scene.gateway);
      const call = async (): Promise<number> => {
        const socket = await edge.open(data, '127.0.0.2');
        try {
          return await ask(socket, edge.request);
        } finally {
          socket.destroy();
        }
      };
      expect(await call()).toBe(200);
      const filesBefore = openFiles(pid);
      let isOver = false;
      let most = 0;
      const ended = slowly(mode, `${data}/t/${edge.tenantId}/enroll`).finally(() => {
        isOver = true;
      });
      const calls: Promise<number>[] = [];
      while (!isOver) {
        // Looked at in the end, and one that fails must not be unhandled until then.
        const one = call().catch(() => 0);
        calls.push(one);
        most = Math.max(most, openFiles(pid) - filesBefore);
        await wait(callEveryMs);
      }
      await ended;
      const statuses = await Promise.all(calls);
      const after = await settled(() => openFiles(pid) - filesBefore, otherFiles, 90_000);
      const answered = statuses.filter((status) => status === 200).length;
      rows.push([name, slowConnections, most, calls.length, answered, after]);
      expect(answered).toBe(calls.length);
      expect(after).toBeLessThanOrEqual(otherFiles);
      // It did hold them, or nothing was tried.
      expect(most).toBeGreaterThan(heldAtLeast);
    },
  );
});
