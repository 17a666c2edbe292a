import { Hono } from 'hono';
import type { HostEnv } from '../host.ts';
import { createAuthorizationCodes } from './authorization-codes.ts';
import { mountAuthorize } from './authorize.ts';
import { mountConsent } from './consent.ts';
import type { CloudContext } from './context.ts';
import { mountMetadata } from './metadata.ts';
import { mountToken } from './token.ts';

/** The Entra double of one cloud: metadata, keys, tokens, sign-in and admin consent. */
export function createEntraApp(cloud: CloudContext): Hono<HostEnv> {
  const app = new Hono<HostEnv>();
  mountMetadata(app, cloud);
  const codes = createAuthorizationCodes(cloud);
  mountToken(app, cloud, codes);
  mountAuthorize(app, cloud, codes);
  mountConsent(app, cloud);
  return app;
}
