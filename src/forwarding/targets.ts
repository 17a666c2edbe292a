import { createBoundedCache } from '../bounded-cache.ts';
import type { UpstreamTarget } from '../outbound/upstream.ts';
import type { Instance } from '../store/instances/instance.ts';

/** Instances whose target is kept; a forgotten one gets a new pool, and the old one's connections go when idle. */
const keptTargets = 60_000;

/** The server of an instance: one object, and so one pool, as long as neither URL nor authority changes. */
export function createTargets(): (instance: Instance) => UpstreamTarget {
  /** Targets are kept by the row as it was read: rows are read anew every few seconds, calls come in between. */
  const ofRow = new WeakMap<Instance, UpstreamTarget>();
  const kept = createBoundedCache<string, UpstreamTarget>(keptTargets);
  return (instance) => {
    const known = ofRow.get(instance);
    if (known) return known;
    const { caCertificate, instanceId, tenantId, url } = instance;
    const key = JSON.stringify([tenantId, instanceId, url, caCertificate]);
    let target = kept.get(key);
    if (!target) {
      const { origin, pathname } = new URL(url);
      target = {
        origin,
        basePath: pathname.replace(/\/+$/, ''),
        caCertificate: caCertificate ?? undefined,
      };
      kept.set(key, target);
    }
    ofRow.set(instance, target);
    return target;
  };
}
