import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../test/harness/ports.ts';
import {
  type Contestant,
  certificateOf,
  espalier,
  haproxy,
  names,
  type Start,
  startTimeoutMs,
} from './contestants.ts';
import { type PeerScene, plainComputer } from './scene.ts';
import { gatewayCore, startServer } from './server.ts';
import { besides, fillTemplate } from './template.ts';
import type { RelayPlan } from './tls-relay.ts';

/** Those of the TLS table: TLS from the caller, and TLS to the instances, whose certificate everyone verifies. */

/** The contestants of a scene whose instances speak TLS. */
function authorityOf({ instancesCa }: PeerScene): string {
  if (instancesCa === undefined) throw new RangeError('the instances speak without TLS');
  return instancesCa;
}

async function startPassing(
  stack: AsyncDisposableStack,
  name: string,
  port: number,
  command: string,
  args: readonly string[],
  ca: string,
): Promise<Contestant> {
  const { pid } = await startServer(stack, {
    ...{ name, core: gatewayCore, command, args, port, startTimeoutMs },
  });
  return { name, origin: `https://127.0.0.1:${port}`, ca, pid, kind: 'passes' };
}

const nginx: Start = async (stack, scene) => {
  const { dir, instances } = scene;
  const { ca, certFile, keyFile } = await certificateOf(scene);
  const port = await freePort();
  const caFile = join(dir, 'nginx-ca.pem');
  writeFileSync(caFile, authorityOf(scene));
  const file = join(dir, 'tls.conf');
  const { computerId, instance } = plainComputer;
  const { port: upstreamPort, token: instanceToken } = instances[instance]!;
  fillTemplate('nginx-tls.conf', file, {
    ...{ caFile, certFile, computerId, dir, instanceToken, keyFile, port, upstreamPort },
  });
  return startPassing(stack, names.plainTls, port, 'nginx', ['-c', file], ca);
};

const relay: Start = async (stack, scene) => {
  const { ca, certificatePem: cert, keyPem: key } = await certificateOf(scene);
  const port = await freePort();
  const file = join(scene.dir, 'relay.json');
  const plan: RelayPlan = { port, upstreamPort: scene.any.port, cert, key, ca: authorityOf(scene) };
  writeFileSync(file, JSON.stringify(plan), { mode: 0o600 });
  return startPassing(stack, names.relay, port, process.execPath, [besides('tls-relay.ts'), file], ca);
};

export const tlsTable: readonly Start[] = [espalier(true), haproxy('cached', { secure: true }), nginx, relay];
