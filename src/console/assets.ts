import type { Context } from 'hono';
import type { ListenerEnv } from '../gateway/listener.ts';
import type { AssetPath } from './layout.ts';

/** The files that pages load, all from this origin: styles, two scripts, a picture. */

export interface Asset {
  readonly type: string;
  readonly body: string;
  /** Of its content, in its address. */
  readonly digest: string;
}

/** By name. The runtime reads them: Node from its files, Workers from their bundle. */
export type Assets = ReadonlyMap<string, Asset>;

export const assetPathOf =
  (assets: Assets): AssetPath =>
  (name) =>
    `/console/${name}?v=${assets.get(name)?.digest ?? ''}`;

export function serveAsset(c: Context<ListenerEnv>, assets: Assets): Response {
  const asset = assets.get(c.req.param('name') ?? '');
  if (asset === undefined) return c.notFound() as Response;
  const isCurrent = c.req.query('v') === asset.digest;
  return c.body(asset.body, 200, {
    'content-type': asset.type,
    'cache-control': isCurrent ? 'public, max-age=31536000, immutable' : 'no-cache',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
  });
}
