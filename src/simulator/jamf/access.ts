import type { Context, MiddlewareHandler } from 'hono';
import { apiError, forbidden, type JamfEnv, unauthorized } from './answers.ts';
import type { Privilege } from './privileges.ts';
import type { Tokens } from './tokens.ts';

const bearer = (c: Context<JamfEnv>): string | undefined =>
  /^bearer ([^\s]+)$/i.exec(c.req.header('authorization') ?? '')?.[1];

/** Opens a request by its bearer token, or answers 401 in the style of the API called (domain/jamf.md 1.2). */
export function requireToken(tokens: Tokens): MiddlewareHandler<JamfEnv> {
  return async (c, next) => {
    const token = bearer(c);
    if (token === undefined) return unauthorized(c);
    const verdict = await tokens.verify(token);
    if (verdict.kind === 'refused') {
      c.set('note', { tokenRefused: verdict.reason });
      return unauthorized(c);
    }
    if (verdict.kind === 'revoked') {
      c.set('note', { tokenRefused: 'revoked' });
      const empty = tokens.variants.revokedTokenAnswer === 'empty-errors' && c.req.path.includes('/api/');
      return empty ? apiError(401, []) : unauthorized(c);
    }
    c.set('grant', verdict.grant);
    await next();
    return undefined;
  };
}

/** Lets a request pass whose token carries this privilege; 403 otherwise. */
export function needs(privilege: Privilege): MiddlewareHandler<JamfEnv> {
  return async (c: Context<JamfEnv>, next) => {
    if (!c.get('grant').privileges.has(privilege)) {
      c.set('note', { missingPrivilege: privilege });
      return forbidden(c);
    }
    await next();
    return undefined;
  };
}
