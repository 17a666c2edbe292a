/** Debian's pebble, an ACME authority for tests that validates names for real, with a DNS of its own (pebble-challtestsrv). */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority } from '../../src/simulator/authority.ts';
import { eventually } from './eventually.ts';
import { call } from './http.ts';
import { freePort } from './ports.ts';

export const hasPebble = (): boolean => {
  try {
    execFileSync('sh', ['-c', 'command -v pebble && command -v pebble-challtestsrv'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

export interface Pebble {
  /** URL of its directory. */
  readonly directory: string;
  /** File with the authority of its own HTTPS certificate. */
  readonly trustFile: string;
  /** Where it asks every name. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** Root of what it issues, PEM; another one after each start. */
  root(): Promise<string>;
  /** The address that a name has; by default 127.0.0.1. */
  setAddress(name: string, address: string): Promise<void>;
  /** Ends it: all that it knew of accounts and orders is lost. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface PebbleOptions {
  readonly validitySeconds: number;
  /** Share of good nonces that it refuses. */
  readonly noncesRefusedPercent: number;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

export async function startPebble(options: PebbleOptions): Promise<Pebble> {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-pebble-'));
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const authority = await createAuthority();
  const { certificatePem, keyPem } = await authority.issue(['localhost', '127.0.0.1']);
  const [acme, management, httpPort, tlsPort, dns, dnsControl] = (await Promise.all(
    Array.from({ length: 6 }, freePort),
  )) as [number, number, number, number, number, number];
  const config = file(
    'pebble.json',
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${acme}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: file('server.crt', certificatePem),
        privateKey: file('server.key', keyPem),
        httpPort,
        tlsPort,
        certificateValidityPeriod: options.validitySeconds,
      },
    }),
  );
  const names = spawn(
    'pebble-challtestsrv',
    ['-defaultIPv6', '', '-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${dnsControl}`].concat([
      '-http01',
      '',
      '-https01',
      '',
      '-tlsalpn01',
      '',
    ]),
    { stdio: 'ignore' },
  );
  const ca = authority.certificatePem;
  const directory = `https://localhost:${acme}/dir`;
  let pebble: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    pebble = spawn('pebble', ['-config', config, '-dnsserver', `127.0.0.1:${dns}`], {
      stdio: 'ignore',
      env: {
        PATH: process.env.PATH ?? '',
        PEBBLE_VA_NOSLEEP: '1',
        PEBBLE_WFE_NONCEREJECT: String(options.noncesRefusedPercent),
      },
    });
    await eventually(() => call(directory, { ca }));
  };
  const control = async (path: string, body: object): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${dnsControl}/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`pebble-challtestsrv answers ${path} with ${answer.status}`);
  };
  await start();
  await eventually(() => control('set-default-ipv4', { ip: '127.0.0.1' }));
  return {
    directory,
    trustFile: file('authority.crt', ca),
    httpPort,
    tlsPort,
    root: async () => (await call(`https://localhost:${management}/roots/0`, { ca })).text,
    setAddress: (host, address) => control('add-a', { host: `${host}.`, addresses: [address] }),
    stop: () => end(pebble),
    start,
    close: async () => {
      await end(pebble);
      await end(names);
      rmSync(folder, { recursive: true });
    },
  };
}
