import type { AdminApp } from '../admin/context.ts';
import { afterInProcess } from '../joining.ts';
import { createAddressPolicy, mayConnect } from '../outbound/addresses.ts';
import { resolveName } from '../outbound/node.ts';
import { type AdminParts, createAdmin } from './admin.ts';
import type { NodeChanges } from './node-changes.ts';
import { readConsoleAssets } from './node-console.ts';
import { nodeDigest } from './node-digest.ts';
import { bindingsWithOwnBody, respondOnNode } from './node-http.ts';

/** The admin listener's app with the parts that only Node has. */

type OwnParts =
  | 'after'
  | 'assets'
  | 'digest'
  | 'instanceAuthorities'
  | 'mayConnect'
  | 'onBehalf'
  | 'outage'
  | 'respond';

export function createNodeAdmin(
  parts: Omit<AdminParts, OwnParts> & { readonly changes: NodeChanges },
): AdminApp {
  const { changes, config, gateway } = parts;
  const { assignments, degradedSeconds, policy } = changes;
  return createAdmin({
    ...parts,
    after: afterInProcess,
    assets: readConsoleAssets(),
    digest: nodeDigest,
    mayConnect: (hostname) => mayConnect(createAddressPolicy(config.upstreamAllow), hostname, resolveName),
    instanceAuthorities: true,
    onBehalf: bindingsWithOwnBody,
    respond: async (c, { onEnd, ...answer }) => {
      try {
        return await respondOnNode(c, answer);
      } finally {
        await onEnd?.();
      }
    },
    outage: {
      degradedSeconds: () => (policy.isAway() ? degradedSeconds() : undefined),
      bindingOf: assignments.bindingOf,
      route: gateway.routes.peek.bind(gateway.routes),
    },
  });
}
