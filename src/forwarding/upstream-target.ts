import { LRUCache } from 'lru-cache';
import type { UpstreamTarget } from '../outbound/upstream.ts';
import type { Instance } from '../store/instances.ts';

/** Instances with calls; each has a pool of connections. */
const keptTargets = 30_000;

/**
 * The server of an instance, the same object for as long as its address and trust stay the same, for it names the
 * pool: the instance itself is another object each time it is read.
 */
export function createUpstreamTargets(): (instance: Instance) => UpstreamTarget {
  const byObject = new WeakMap<Instance, UpstreamTarget>();
  const byContent = new LRUCache<string, UpstreamTarget>({ max: keptTargets });
  return (instance) => {
    const known = byObject.get(instance);
    if (known !== undefined) return known;
    const key = JSON.stringify([
      instance.tenantId,
      instance.instanceId,
      instance.url,
      instance.caCertificate,
    ]);
    let target = byContent.get(key);
    if (target === undefined) {
      const { origin, pathname } = new URL(instance.url);
      target = {
        origin,
        basePath: pathname.replace(/\/+$/, ''),
        caCertificate: instance.caCertificate ?? undefined,
      };
      byContent.set(key, target);
    }
    byObject.set(instance, target);
    return target;
  };
}
