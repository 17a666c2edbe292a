import type { Context } from 'hono';
import { takesGzip } from '../gateway/accepted-encoding.ts';
import type { ListenerEnv } from '../gateway/listener.ts';
import type { AssetPath } from './layout.ts';

/** The files that pages load, all from this origin: styles, two scripts, a picture. */

export interface Asset {
  readonly type: string;
  readonly body: string;
  /** The same, compressed once: they are ours and hold nothing of anybody. Undefined: the platform does it. */
  readonly gzip: Uint8Array<ArrayBuffer> | undefined;
  /** Of its content, in its address. */
  readonly digest: string;
}

/** By name. The runtime reads them: Node from its files, Workers from their bundle. */
export type Assets = ReadonlyMap<string, Asset>;

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export const assetType = (name: string): string =>
  types[name.slice(name.lastIndexOf('.'))] ?? 'application/octet-stream';

export const assetPathOf =
  (assets: Assets): AssetPath =>
  (name) =>
    `/console/${name}?v=${assets.get(name)?.digest ?? ''}`;

export function serveAsset(c: Context<ListenerEnv>, assets: Assets): Response {
  const asset = assets.get(c.req.param('name') ?? '');
  if (asset === undefined) return c.notFound() as Response;
  const packed = takesGzip(c.req.header('accept-encoding')) ? asset.gzip : undefined;
  // A strong tag names bytes, and those of the two forms differ (RFC 9110, section 8.8.3).
  const tag = `"${asset.digest}${packed ? '-gzip' : ''}"`;
  const headers = {
    'cache-control': c.req.query('v') === asset.digest ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag: tag,
    vary: 'accept-encoding',
  };
  const known = c.req.header('if-none-match')?.split(',');
  if (known?.some((one) => one.trim().replace(/^W\//, '') === tag)) return c.body(null, 304, headers);
  return c.body(packed ?? asset.body, 200, {
    ...headers,
    'content-type': asset.type,
    ...(packed ? { 'content-encoding': 'gzip' } : {}),
  });
}
