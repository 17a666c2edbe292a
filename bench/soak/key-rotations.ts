import type { Scene } from '../../test/faults/scene.ts';
import type { AddedInstance } from '../../test/harness/gateway.ts';
import type { Answer } from '../../test/harness/http.ts';
import { until } from '../run.ts';
import type { SoakScene } from './scene.ts';

/** Rotations that need no restart: of instances' secrets and keys, and of operators' keys. */

/** An instance of the scene, with whichever key its webhooks carry now. */
export interface KeyedInstance extends AddedInstance {
  readonly name: string;
  readonly tenantId: string;
  change(key: string): void;
}

/** What a sender took up with the old key is on its way for so long at most. */
const oldKeyMs = 8_000;

export function keyedInstances({ instances, world }: Scene): Map<string, KeyedInstance> {
  const keyed = world.tenants.flatMap(({ instances: names, tenantId }) =>
    names.map((name): [string, KeyedInstance] => {
      const added = instances.get(name);
      if (!added) throw new Error(`no instance ${name}`);
      let current = added.key;
      return [
        name,
        {
          ...{ id: added.id, name, tenantId },
          get key() {
            return current;
          },
          change: (key) => {
            current = key;
          },
        },
      ];
    }),
  );
  return new Map(keyed);
}

/** On the admin API; throws for an answer that is no success. */
export async function ask(
  { api }: Pick<Scene, 'api'>,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer['json']> {
  const answer = await api(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
  return answer.json;
}

const pathOf = ({ id, tenantId }: KeyedInstance): string => `/tenants/${tenantId}/instances/${id}`;

/** Jamf Pro makes a new secret, from which moment the old one gives no token, and the gateway is told. */
export async function rotateInstanceSecret(scene: Scene, instance: KeyedInstance): Promise<void> {
  const { clientId, tokens } = scene.world.instance(instance.name);
  const clientSecret = tokens.rotateSecret(clientId);
  await ask(scene, 'PATCH', pathOf(instance), { apiClient: { clientId, clientSecret } });
  const { steps } = await ask(scene, 'POST', `${pathOf(instance)}/test`);
  const failed = steps.filter(({ ok }: { ok: boolean }) => !ok);
  if (failed.length > 0) throw new Error(`${instance.name} after its new secret: ${JSON.stringify(failed)}`);
}

/** A new key beside the old one, which goes when nobody sends it any more. */
export async function rotateInstanceKey(
  scene: Scene,
  instance: KeyedInstance,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  const path = `${pathOf(instance)}/keys`;
  const before: { results: { id: string }[] } = await ask(scene, 'GET', path);
  const { key } = await ask(scene, 'POST', path, {});
  instance.change(key);
  await pause(oldKeyMs);
  for (const { id } of before.results) await ask(scene, 'DELETE', `${path}/${id}`);
}

export interface OperatorKey {
  readonly id: string;
  readonly key: string;
}

/** A key for another admin; the bench's own becomes this one, and what had the old one is told before that is revoked. */
export async function rotateOperatorKey(
  { operatorKey, scene }: SoakScene,
  old: OperatorKey | undefined,
  take: (key: string) => Promise<void>,
  signal: AbortSignal,
): Promise<OperatorKey> {
  const made: OperatorKey = await ask(scene, 'POST', '/keys', { name: 'soak', role: 'admin' });
  operatorKey.current = made.key;
  await take(made.key);
  if (old === undefined) return made;
  await ask(scene, 'DELETE', `/keys/${old.id}`);
  // No process answers the old one for longer than it remembers it.
  await until('the revoked key is refused', { everyMs: 200, patienceMs: 30_000, signal }, async () => {
    const { status } = await scene.api('GET', '/tenants', undefined, old.key);
    return { done: status === 401, now: String(status) };
  });
  return made;
}
