/** A gateway with one device behind an instance that always answers, and callers of it, for the tests at the edge. */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import {
  callerToken,
  connectTenant,
  type GatewayProcess,
  type Scene,
  startScene,
} from '../harness/gateway.ts';
import { startOwnInstance } from '../harness/own-instance.ts';

export interface EdgeScene {
  readonly scene: Scene;
  readonly tenantId: string;
  /** The bytes of a device call. */
  readonly request: string;
  /** A TLS connection from an address of this machine, ready for requests. */
  open(origin: string, from?: string): Promise<TLSSocket>;
  close(): Promise<void>;
}

export async function startEdgeScene(environment: Record<string, string> = {}): Promise<EdgeScene> {
  const scene = await startScene({
    environment: {
      ESPALIER_LOG_LEVEL: 'warn',
      ESPALIER_RATE_PER_TENANT: '100000',
      ESPALIER_CONNECTIONS: '15000',
      ESPALIER_CONNECTIONS_PER_ADDRESS: '15000',
      ...environment,
    },
    world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
  });
  const [tenantId = ''] = scene.world.tenants.map((tenant) => tenant.tenantId);
  await connectTenant(scene, tenantId);
  const instance = await startOwnInstance(scene, tenantId, 'edge');
  const token = await callerToken(scene, tenantId);
  return {
    scene,
    tenantId,
    request: `GET /t/${tenantId}/devices/${instance.deviceId}/compliance HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    open: (origin, localAddress = '127.0.0.1') => {
      const port = Number(new URL(origin).port);
      return new Promise((resolve, reject) => {
        const socket = connect({
          ...{ port, localAddress, host: '127.0.0.1', servername: 'localhost' },
          rejectUnauthorized: false,
        });
        socket.once('error', reject).once('secureConnect', () => {
          socket.off('error', reject).on('error', () => undefined);
          resolve(socket);
        });
      });
    },
    close: async () => {
      await instance.close();
      await scene.close();
    },
  };
}

/** The status of the answer; throws where the connection closes before it. */
export async function ask(socket: TLSSocket, request: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    const end = (settle: () => void): void => {
      socket.off('data', take).off('close', left);
      settle();
    };
    const left = (): void => end(() => reject(new Error(`closed after ${JSON.stringify(text)}`)));
    const take = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      const head = text.indexOf('\r\n\r\n');
      const length = Number(/^content-length: (\d+)$/im.exec(text)?.[1] ?? Number.NaN);
      const isWhole = Number.isNaN(length) ? text.endsWith('0\r\n\r\n') : text.length >= head + 4 + length;
      if (head >= 0 && isWhole) end(() => resolve(Number(text.split(' ')[1])));
    };
    socket.on('data', take).on('close', left).write(request);
  });
}

export const pidOf = ({ process: { pid } }: GatewayProcess): number => {
  if (pid === undefined) throw new Error('the gateway does not run');
  return pid;
};
export const residentKiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Waits until a number no longer falls. */
export async function settled(read: () => number, goal: number, withinMs: number): Promise<number> {
  const endMs = performance.now() + withinMs;
  while (read() > goal && performance.now() < endMs) await wait(250);
  return read();
}

/** Debian's programs; undefined: it is not installed. */
export function hasProgram(name: string): boolean {
  const found = spawnSync('which', [name], { encoding: 'utf8' }).status === 0;
  if (!found) process.stderr.write(`${name} is not installed: its tests are skipped.\n`);
  if (!found && process.env.CI === 'true') throw new Error(`${name} is needed: apt-get install it`);
  return found;
}

export const tableOf = (rows: readonly (readonly (string | number)[])[]): string => {
  const texts = rows.map((row) => row.map(String));
  const widths = (texts[0] ?? []).map((_, at) => Math.max(...texts.map((row) => row[at]?.length ?? 0)));
  return texts.map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`).join('\n');
};
