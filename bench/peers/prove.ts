import { openConnection } from '../connection.ts';
import type { Contestant } from './contestants.ts';
import { type Device, deviceOf } from './devices.ts';
import { answerBytes, answerOf, devicePath, type PeerScene, plainComputer } from './scene.ts';

/**
 * Each peer does the work before it is measured: what is asked for is answered by the right instance for the right
 * computer (the upstream asks for each instance's own token and answers with both names), and what has to be refused
 * is refused, also when the good token was seen before.
 */

/** Of the called devices, evenly spread. */
const provedDevices = 200;

interface Question {
  readonly what: string;
  readonly path: string;
  readonly token: string;
  readonly statuses: readonly number[];
}

function refusals({ called, tenantId, tokens }: PeerScene): Question[] {
  const path = devicePath(tenantId, called[0]!.deviceId);
  const { expired, good, otherAudience, wrongSignature } = tokens;
  const otherTenant = devicePath(crypto.randomUUID(), called[0]!.deviceId);
  const otherDevice = devicePath(tenantId, crypto.randomUUID());
  const unauthenticated = [401];
  return [
    { what: 'a wrong signature', path, token: wrongSignature, statuses: unauthenticated },
    { what: 'an expired token', path, token: expired, statuses: unauthenticated },
    { what: 'another audience', path, token: otherAudience, statuses: unauthenticated },
    { what: "another tenant's path", path: otherTenant, token: good, statuses: [401, 403] },
    { what: 'a device that is not there', path: otherDevice, token: good, statuses: [404] },
  ];
}

/** Whose answer is right for a device. */
function expected({ kind }: Contestant, device: Device): string {
  const { computerId, instance } = kind === 'passes' ? plainComputer : device;
  return answerOf(String(computerId), instance, 7);
}

/** Bytes of an answer on the wire; throws for an answer that is not right. */
export async function prove(contestant: Contestant, scene: PeerScene): Promise<number> {
  const connection = await openConnection(contestant.origin, contestant.ca);
  const ask = (path: string, token: string) =>
    connection.exchange({
      ...{ method: 'GET', path, body: null },
      head: `authorization: Bearer ${token}\r\naccept: application/json\r\n`,
    });
  const sizes = new Set<number>();
  try {
    const step = Math.max(1, Math.floor(scene.called.length / provedDevices));
    for (let at = 0; at < scene.called.length; at += step) {
      const device = scene.called[at]!;
      const { status, text, wireBytes } = await ask(
        devicePath(scene.tenantId, device.deviceId),
        scene.tokens.good,
      );
      if (status !== 200 || text.length !== answerBytes || text !== expected(contestant, device)) {
        throw new Error(`${contestant.name} answered ${status} for ${device.deviceId}: ${text}`);
      }
      sizes.add(wireBytes);
    }
  } finally {
    connection.close();
  }
  const [size] = sizes;
  if (size === undefined || sizes.size > 1) {
    throw new Error(`${contestant.name}'s answers have ${[...sizes].join(', ')} bytes`);
  }
  if (contestant.kind === 'decides') await proveRefusals(contestant, scene);
  return size;
}

/** A connection for each: a refusal may close it. */
async function proveRefusals(contestant: Contestant, scene: PeerScene): Promise<void> {
  for (const { path, statuses, token, what } of refusals(scene)) {
    const connection = await openConnection(contestant.origin, contestant.ca);
    try {
      const head = `authorization: Bearer ${token}\r\naccept: application/json\r\n`;
      const { status, text } = await connection.exchange({ method: 'GET', path, body: null, head });
      if (!statuses.includes(status)) {
        throw new Error(`${contestant.name} answered ${status} to ${what}: ${text.slice(0, 300)}`);
      }
    } finally {
      connection.close();
    }
  }
}

/** That the upstream is strict: without it nothing above would say which token arrived. */
export async function proveUpstream({ instances, instancesCa }: PeerScene): Promise<void> {
  const path = `/api/v1/conditional-access/device-compliance-information/computer/${deviceOf(0).computerId}`;
  for (const { origin } of instances) {
    for (const other of instances) {
      const connection = await openConnection(origin, instancesCa);
      const head = `authorization: Bearer ${other.token}\r\n`;
      const { status } = await connection.exchange({ method: 'GET', path, body: null, head });
      connection.close();
      if (status !== (other.origin === origin ? 200 : 401)) {
        throw new Error(
          `the upstream answered ${status} to ${origin === other.origin ? 'its' : "another's"} token`,
        );
      }
    }
  }
}
