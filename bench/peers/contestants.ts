import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../test/harness/ports.ts';
import { startGateway } from '../gateway.ts';
import type { FastifyPlan } from './fastify-plan.ts';
import { type PeerScene, plainComputer } from './scene.ts';
import { gatewayCore, startServer } from './server.ts';
import { besides, fillTemplate } from './template.ts';

/** Those that are measured against each other, each started alone on the gateways' processor. */

export interface Contestant {
  readonly name: string;
  readonly origin: string;
  /** PEM of the authority behind its certificate, where it has one. */
  readonly ca: string | undefined;
  readonly pid: number;
  /** `decides`: it verifies, looks up and chooses; `passes`: it sends every call to one computer. */
  readonly kind: 'decides' | 'passes';
  /** Base URL of the ops listener, of `espalier serve`. */
  readonly ops?: string;
}

export type Start = (stack: AsyncDisposableStack, scene: PeerScene) => Promise<Contestant>;

export const names = {
  espalier: 'espalier serve',
  espalierTls: 'espalier serve, TLS',
  publicStreams: 'public streams',
  cached: 'HAProxy, cached tokens',
  cachedBare: 'HAProxy, cached tokens, bare',
  cachedTls: 'HAProxy, cached tokens, TLS',
  verify: 'HAProxy, jwt_verify',
  plain: 'nginx, plain proxy',
  plainTls: 'nginx, TLS proxy',
  relay: 'bare TLS relay on Node',
  fastify: '@fastify/http-proxy',
} as const;

/** A map of a million lines takes HAProxy some seconds, and a Map as many. */
export const startTimeoutMs = 60_000;

interface Certificate {
  readonly ca: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly keyPem: string;
  readonly certificatePem: string;
  /** Both in one file. */
  readonly pairFile: string;
}

export async function certificateOf({ dir, world }: Pick<PeerScene, 'dir' | 'world'>): Promise<Certificate> {
  const { certificatePem, keyPem } = await world.authority.issue(['localhost', '127.0.0.1']);
  const files = { certFile: join(dir, 'front.crt'), keyFile: join(dir, 'front.key') };
  const pairFile = join(dir, 'front.pem');
  writeFileSync(files.certFile, certificatePem);
  writeFileSync(files.keyFile, keyPem, { mode: 0o600 });
  writeFileSync(pairFile, `${certificatePem}\n${keyPem}`, { mode: 0o600 });
  return { ...files, certificatePem, keyPem, pairFile, ca: world.authority.certificatePem };
}

export const espalier =
  (secure: boolean, isPublic = false): Start =>
  async (stack, scene) => {
    const certificate = secure ? await certificateOf(scene) : undefined;
    const dataDir = mkdtempSync(join(scene.dir, 'data-'));
    const gateway = await startGateway(
      {
        ...scene.environment,
        ESPALIER_DATA_DIR: dataDir,
        ...(isPublic ? { ESPALIER_FAST_LANE: 'public' } : {}),
        ...(certificate === undefined
          ? { ESPALIER_TLS: 'off' }
          : { ESPALIER_TLS_CERT_FILE: certificate.certFile, ESPALIER_TLS_KEY_FILE: certificate.keyFile }),
      },
      { core: gatewayCore },
    );
    stack.defer(() => gateway.stop());
    const name = isPublic ? names.publicStreams : secure ? names.espalierTls : names.espalier;
    const { data: origin, ops, pid } = gateway;
    return { name, origin, ca: certificate?.ca, pid, kind: 'decides', ops };
  };

/** A backend for each instance, with its token. */
function haproxyBackends({ dir, instances, instancesCa }: PeerScene): string {
  const caFile = join(dir, 'instances-ca.pem');
  if (instancesCa !== undefined) writeFileSync(caFile, instancesCa);
  const tls =
    instancesCa === undefined
      ? ''
      : ` ssl verify required ca-file ${caFile} sni str(localhost) verifyhost localhost`;
  return instances
    .map(
      ({ port, token }, index) => `backend i${index}
  http-request set-path /api/v1/conditional-access/device-compliance-information/computer/%[var(txn.route),field(2,:)]
  http-request set-header authorization "Bearer ${token}"
  server jamf 127.0.0.1:${port}${tls}
`,
    )
    .join('\n');
}

export const haproxy =
  (kind: 'cached' | 'verify', { bare = false, secure = false } = {}): Start =>
  async (stack, scene) => {
    const certificate = secure ? await certificateOf(scene) : undefined;
    const port = await freePort();
    const file = join(scene.dir, `haproxy-${kind}${secure ? '-tls' : ''}${bare ? '-bare' : ''}.cfg`);
    const keyFile = join(scene.dir, 'entra.pem');
    writeFileSync(keyFile, scene.trust.publicKey);
    fillTemplate(`haproxy-${kind}.cfg`, file, {
      ...{ port, keyFile, routes: scene.routesFile, backends: haproxyBackends(scene) },
      duties: bare ? '' : readFileSync(besides('haproxy-duties.cfg'), 'utf8').trimEnd(),
      keyId: scene.trust.keyId,
      issuer: scene.trust.issuer,
      audience: scene.trust.audience,
      ...(kind === 'cached' ? { tls: certificate ? `ssl crt ${certificate.pairFile}` : '' } : {}),
    });
    const cached = secure ? names.cachedTls : bare ? names.cachedBare : names.cached;
    const name = kind === 'verify' ? names.verify : cached;
    const args = ['-db', '-f', file];
    const { pid } = await startServer(stack, {
      ...{ name, core: gatewayCore, command: 'haproxy', args, port, startTimeoutMs },
    });
    const scheme = secure ? 'https' : 'http';
    return { name, origin: `${scheme}://127.0.0.1:${port}`, ca: certificate?.ca, pid, kind: 'decides' };
  };

const plain: Start = async (stack, { dir, instances }) => {
  const port = await freePort();
  const file = join(dir, 'plain.conf');
  const { computerId, instance } = plainComputer;
  const { port: upstreamPort, token: instanceToken } = instances[instance]!;
  fillTemplate('nginx-plain.conf', file, { dir, port, upstreamPort, instanceToken, computerId });
  const { pid } = await startServer(stack, {
    ...{ name: names.plain, core: gatewayCore, command: 'nginx', args: ['-c', file], port, startTimeoutMs },
  });
  return { name: names.plain, origin: `http://127.0.0.1:${port}`, ca: undefined, pid, kind: 'passes' };
};

const fastify: Start = async (stack, { dir, instances, routesFile, trust }) => {
  const port = await freePort();
  const file = join(dir, 'fastify.json');
  const { audience, issuer, publicKey } = trust;
  const byName = instances.map(({ origin, token }, index) => [`i${index}`, { origin, token }]);
  const plan: FastifyPlan = {
    ...{ port, publicKey, issuer, audience, routes: routesFile },
    instances: Object.fromEntries(byName),
  };
  writeFileSync(file, JSON.stringify(plan), { mode: 0o600 });
  const args = [besides('fastify-peer.ts'), file];
  const { pid } = await startServer(stack, {
    ...{ name: names.fastify, core: gatewayCore, command: process.execPath, args, port, startTimeoutMs },
  });
  return { name: names.fastify, origin: `http://127.0.0.1:${port}`, ca: undefined, pid, kind: 'decides' };
};

/** The issue's table. */
export const table: readonly Start[] = [
  espalier(false),
  haproxy('cached'),
  haproxy('cached', { bare: true }),
  haproxy('verify'),
  plain,
  fastify,
];

/** What TLS on the front alone costs. */
export const withTls: readonly Start[] = [
  espalier(false),
  espalier(true),
  haproxy('cached'),
  haproxy('cached', { secure: true }),
];

/** What reading past Node's streams earns. */
export const withAndWithoutInternals = (secure: boolean): readonly Start[] => [
  haproxy('cached', { secure }),
  espalier(secure),
  espalier(secure, true),
];

export const espalierAlone: readonly Start[] = [espalier(false)];
