import { randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { type ClientCertificate, makeClientCertificate } from '../../src/simulator/client-certificate.ts';
import type { World } from '../../src/simulator/world.ts';
import { metricOf } from '../../test/harness/processes.ts';
import { until } from '../run.ts';
import type { SoakScene } from './scene.ts';

/**
 * Rotations that an operator makes in `.env` and in files: of the sealing key, of the three applications' credentials, of the
 * listeners' certificate. Each has a time in which old and new count (docs/procedures.md).
 */

const patienceMs = 180_000;
const lookMs = 250;

/** SIGHUP; resolves when every process was replaced. */
export async function replaceProcesses({ scene }: SoakScene, signal: AbortSignal): Promise<void> {
  const [gateway] = scene.gateways;
  if (!gateway) throw new Error('there is no gateway');
  const replaced = (): number =>
    readFileSync(gateway.log, 'utf8').split('"event":"processes.replaced"').length;
  const before = replaced();
  gateway.reload();
  await until('the processes are replaced', { everyMs: lookMs, patienceMs, signal }, () => {
    const log = readFileSync(gateway.log, 'utf8');
    if (log.includes('"event":"process.not-replaced"')) throw new Error(`SIGHUP failed; see ${gateway.log}`);
    return Promise.resolve({ done: replaced() > before, now: 'some are the old ones' });
  });
}

/** Fingerprint of what a new connection is shown. */
const presented = (origin: string, ca: string): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(origin);
    const socket = connect({ host: '127.0.0.1', port: Number(port), servername: hostname, ca }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256);
      socket.end();
    });
    socket.on('error', reject);
  });

/** With the certificate the keys of session tickets change too (docs/tls.md). */
export async function rotateListenerCertificate({ scene }: SoakScene, signal: AbortSignal): Promise<void> {
  const { authority } = scene.world;
  const made = await authority.issue(['localhost', '127.0.0.1']);
  // The key goes first: the pair that does not match meanwhile changes nothing.
  for (const [name, pem] of [
    ['gateway.key', made.keyPem],
    ['gateway.crt', made.certificatePem],
  ] as const) {
    const path = join(scene.dir, 'world', name);
    writeFileSync(`${path}.new`, pem, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
  const wanted = new X509Certificate(made.certificatePem).fingerprint256;
  const [gateway] = scene.gateways;
  await until('the new certificate is presented', { everyMs: lookMs, patienceMs, signal }, async () => {
    const now = await presented(gateway!.data, authority.certificatePem);
    return { done: now === wanted, now: String(now) };
  });
}

interface NewCredentials {
  readonly certificate: ClientCertificate;
  readonly diagnosticSecret: string;
  readonly operatorsSecret: string;
}

const newSecret = (): string => randomBytes(24).toString('base64url');

/** What Entra takes for each application: the credentials of now, and the new ones beside or instead of them. */
function atEntra(world: World, made: NewCredentials, keepOld: boolean): void {
  const { applications } = world.cloud('public');
  const { connector, diagnostic } = world.applications.get('public')!;
  const { certificates } = applications.get(connector.clientId)!;
  applications.update(connector.clientId, {
    certificates: [...(keepOld ? certificates : []), made.certificate.certificatePem],
  });
  for (const [clientId, value] of [
    [diagnostic.clientId, made.diagnosticSecret],
    [world.operators.clientId, made.operatorsSecret],
  ] as const) {
    const { secrets } = applications.get(clientId)!;
    applications.update(clientId, { secrets: [...(keepOld ? secrets : []), { value }] });
  }
}

async function sealedAnew({ scene }: SoakScene, signal: AbortSignal): Promise<void> {
  const [gateway] = scene.gateways;
  await until('every secret is sealed anew', { everyMs: lookMs, patienceMs, signal }, async () => {
    const text = await (await fetch(`${gateway!.ops}/metrics`)).text();
    const [old, unknown, current] = ['old', 'unknown', 'current'].map((key) =>
      metricOf(text, 'espalier_sealed_secrets', { key }),
    );
    return { done: old === 0 && unknown === 0 && current! > 0, now: `${old} old, ${unknown} unknown` };
  });
}

/** The `turn`th time; three SIGHUPs. */
export async function rotateWithRestarts(soak: SoakScene, turn: number, signal: AbortSignal): Promise<void> {
  const { dotEnv, scene } = soak;
  const { dir, world } = scene;
  const made: NewCredentials = {
    certificate: await makeClientCertificate(`connector ${turn}`),
    diagnosticSecret: newSecret(),
    operatorsSecret: newSecret(),
  };
  const [certFile, keyFile] = ['crt', 'key'].map((end) => join(dir, 'world', `connector-${turn}.${end}`));
  writeFileSync(certFile!, made.certificate.certificatePem);
  writeFileSync(keyFile!, made.certificate.keyPem, { mode: 0o600 });
  const named = (suffix: string): Record<string, string> => ({
    [`ESPALIER_ENTRA_CERT_FILE_PUBLIC${suffix}`]: certFile!,
    [`ESPALIER_ENTRA_KEY_FILE_PUBLIC${suffix}`]: keyFile!,
    [`ESPALIER_DIAGNOSTIC_CLIENT_SECRET_PUBLIC${suffix}`]: made.diagnosticSecret,
    [`ESPALIER_OPERATOR_CLIENT_SECRET_PUBLIC${suffix}`]: made.operatorsSecret,
  });
  const none = Object.fromEntries(Object.keys(named('_NEXT')).map((name) => [name, undefined]));
  const [oldKey, newKey] = [dotEnv.get('ESPALIER_SECRETS_KEY'), randomBytes(32).toString('base64')];

  atEntra(world, made, true);
  dotEnv.change({ ESPALIER_SECRETS_KEY: `${oldKey},${newKey}`, ...named('_NEXT') });
  await replaceProcesses(soak, signal);
  dotEnv.change({ ESPALIER_SECRETS_KEY: `${newKey},${oldKey}`, ...named(''), ...none });
  await replaceProcesses(soak, signal);
  atEntra(world, made, false);
  await sealedAnew(soak, signal);
  await rotateListenerCertificate(soak, signal);
  dotEnv.change({ ESPALIER_SECRETS_KEY: newKey });
  await replaceProcesses(soak, signal);
  for (const { tenantId } of world.tenants) {
    const confirmed = await scene.api('POST', `/tenants/${tenantId}/confirm`);
    if (!confirmed.json?.ok) throw new Error(`confirm after the rotation: ${confirmed.text}`);
  }
}
