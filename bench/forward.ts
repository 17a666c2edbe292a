import { call } from '../test/harness/http.ts';
import { complianceBytes } from './answering-instance.ts';
import { callerToken } from './caller-token.ts';
import type { LoadPlan } from './load.ts';
import { registeredRecord } from './messages.ts';
import type { ProxyPlan } from './proxy.ts';
import { type Contestant, compare } from './rounds.ts';
import type { Finding, Run } from './run.ts';
import { type Scene, startScene } from './scene.ts';
import { findingOf } from './table.ts';
import { startWorker, type Worker } from './worker.ts';

/**
 * What a device call costs (contract section 6: token, route, the instance's own token), against a reverse proxy on
 * the same Node.js, TLS and HTTP client that checks and looks up nothing.
 */

const connections = 64;
/** A route is kept in memory for a second: with these many both its hits and its misses are measured. */
const devices = 1_000;
const learnedWithinMs = 20_000;
/** Above one round and what is in flight at its end. */
const patienceMs = 15_000;

/** The gateway learns the devices as it always does: from inventory, which its delivery takes in. */
export async function learnDevices(scene: Scene, devices: number): Promise<string[]> {
  const { id, key } = await scene.addInstance('forward');
  const deviceIds = Array.from({ length: devices }, () => crypto.randomUUID());
  const pushed = await call(`${scene.gateway.data}/jamf/${id}/inventory`, {
    method: 'POST',
    ca: scene.trust,
    headers: { 'content-type': 'application/x-ndjson', 'x-api-key': key },
    body: deviceIds.map((deviceId, index) => registeredRecord(index + 1, deviceId)).join('\n'),
  });
  if (pushed.json?.accepted !== devices)
    throw new Error(`the push answered ${pushed.status}: ${pushed.text}`);
  const end = Date.now() + learnedWithinMs;
  for (;;) {
    const { totalCount } = await scene.api('GET', `/tenants/${scene.tenantId}/devices?page-size=1`);
    if (totalCount === devices) return deviceIds;
    if (Date.now() > end) {
      throw new Error(`${totalCount} of ${devices} devices were learned:\n${scene.gateway.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function forward(run: Run): Promise<Finding[]> {
  const { signal, stack } = run;
  const scene = await startScene(run);
  const deviceIds = await learnDevices(scene, devices);
  const proxy: Worker<ProxyPlan, { readonly origin: string }> = startWorker('./proxy.ts');
  stack.defer(() => proxy.stop());
  const { certificatePem: cert, keyPem: key } = scene.certificate;
  const authority = scene.world.authority.certificatePem;
  const { token, url: upstream } = scene.instance;
  const opened = await proxy.ask(
    { certificate: { cert, key }, upstream, ca: authority, connections, token },
    patienceMs,
  );

  const headers = { authorization: `Bearer ${await callerToken(scene.world, scene.tenantId)}` };
  const paths = deviceIds.map((deviceId) => `/t/${scene.tenantId}/devices/${deviceId}/compliance`);
  const work: LoadPlan['work'] = { kind: 'reads', paths, answerBytes: complianceBytes };
  const contestant = (name: string, pid: number, origin: string, ca: string): Contestant => ({
    name,
    pid,
    run: async (durationMs) => {
      const plan = { origin, ca, connections, durationMs, headers, work };
      return (await scene.load.ask(plan, durationMs + patienceMs)).measured;
    },
  });
  const compared = await compare({
    title: `device calls for compliance, ${devices} devices, ${connections} connections`,
    unit: 'calls',
    unitsEach: 1,
    signal,
    rounds: run.options.rounds,
    espalier: contestant('espalier serve', scene.gateway.pid, scene.gateway.data, scene.trust),
    peer: contestant('plain proxy', proxy.pid, opened.origin, authority),
    prove: async () => `every answer was 200 with the instance's ${complianceBytes} bytes`,
  });
  return [findingOf(compared)];
}
