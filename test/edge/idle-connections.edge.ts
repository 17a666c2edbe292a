import { setTimeout as wait } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GatewayProcess } from '../harness/gateway.ts';
import {
  ask,
  type EdgeScene,
  openFiles,
  pidOf,
  residentKiB,
  settled,
  startEdgeScene,
  tableOf,
} from './edge-scene.ts';

/** What thousands of callers cost that keep their connection and say nothing, as Microsoft's side may. */

const connections = 5_000;
const atOnce = 100;
const partial = 1_000;
/** After so long a connection says something again, well before it would be closed. */
const restMs = 15_000;
/** What a connection keeps of its last request is forgotten after two of them. */
const secondsToSettle = 20;
/** So often they come and go beforehand: memory that is used again is what a gateway has after a day. */
const roundsBefore = 1;
/** Upper bound of what one may take; what it does take is printed. */
const maxKiBEach = 96;

const rows: (string | number)[][] = [
  ['way', 'connections', 'KiB of each', 'resident before', 'resident with them'],
];

describe.each([
  ['the lane', 'on'],
  ['the lane on public streams', 'public'],
  ['the ordinary way', 'off'],
])('idle TLS connections on %s', (way, lane) => {
  let edge: EdgeScene;
  let gateway: GatewayProcess;
  const held: TLSSocket[] = [];
  beforeAll(async () => {
    edge = await startEdgeScene({ ESPALIER_FAST_LANE: lane });
    gateway = edge.scene.gateway;
  });
  afterAll(async () => {
    for (const socket of held) socket.destroy();
    await edge?.close();
    if (lane === 'off') process.stdout.write(`\n${tableOf(rows)}\n`);
  });

  const inTurn = async (work: () => Promise<boolean>): Promise<void> => {
    const worker = async (): Promise<void> => {
      while (await work());
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  };
  const openAll = async (): Promise<void> => {
    const askedMs = new Map<TLSSocket, number>();
    const call = async (socket: TLSSocket): Promise<void> => {
      expect(await ask(socket, edge.request)).toBe(200);
      askedMs.set(socket, performance.now());
    };
    for (let goal = partial; goal <= connections; goal += partial) {
      let left = goal - held.length;
      await inTurn(async () => {
        left -= 1;
        if (left < 0) return false;
        const socket = await edge.open(gateway.data);
        held.push(socket);
        await call(socket);
        return true;
      });
      // On a busy machine the first have been idle for so long by then that they would be closed.
      const resting = held.filter((socket) => performance.now() - (askedMs.get(socket) ?? 0) > restMs);
      await inTurn(async () => {
        const socket = resting.pop();
        if (socket === undefined) return false;
        await call(socket);
        return true;
      });
    }
  };
  /** What the last requests left is collected by and by: the least of some seconds, without what is garbage. */
  const leastResident = async (pid: number): Promise<number> => {
    let least = residentKiB(pid);
    for (let second = 0; second < secondsToSettle; second += 1) {
      await wait(1_000);
      least = Math.min(least, residentKiB(pid));
    }
    return least;
  };
  const closeAll = async (filesBefore: number): Promise<void> => {
    for (const socket of held.splice(0)) socket.destroy();
    expect(await settled(() => openFiles(pidOf(gateway)), filesBefore + 20, 30_000)).toBeLessThan(
      filesBefore + 100,
    );
  };

  test(`${connections} of them are held in bounded memory, and are let go`, async () => {
    const pid = pidOf(gateway);
    const warm = await edge.open(gateway.data);
    expect(await ask(warm, edge.request)).toBe(200);
    const filesBefore = openFiles(pid);
    const before = residentKiB(pid);
    for (let round = 0; round < roundsBefore; round += 1) {
      await openAll();
      await closeAll(filesBefore);
    }
    await openAll();
    const during = await leastResident(pid);
    const each = (during - before) / connections;
    rows.push([way, connections, each.toFixed(1), before, during]);
    expect(held.every((socket) => !socket.destroyed)).toBe(true);
    expect(await ask(held[0]!, edge.request)).toBe(200);
    expect(each).toBeLessThan(maxKiBEach);
    await closeAll(filesBefore);
    warm.destroy();
  });
});
