import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleInto } from '../conformance/bundles.ts';
import type { GatewayProgram } from './gateways.ts';
import { shards } from './plan.ts';

const gateway = fileURLToPath(new URL('../conformance/workers-gateway.ts', import.meta.url));

/** Both Workers as they would be deployed, bundled once for all lives of the gateway. */
export async function workersGateway(dir: string): Promise<GatewayProgram> {
  const bundles = join(dir, 'bundles');
  mkdirSync(bundles);
  for (const which of ['data', 'admin'] as const) await bundleInto(bundles, which);
  return {
    args: [gateway],
    environment: { TESTED_BUNDLES: bundles, ESPALIER_SHARDS: String(shards) },
    takesMessages: true,
  };
}
