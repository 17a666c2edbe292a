import type { Context, MiddlewareHandler } from 'hono';
import { type AdminEnv, type ApprovedRequest, approvedRequest } from '../context.ts';

/** Knowing a request that a second operator has approved from one that comes from outside. */

// `app.request` without bindings leaves none.
const bindingOf = (c: Context<AdminEnv>): ApprovedRequest | undefined => c.env?.[approvedRequest];

export const approvedDevices = (c: Context<AdminEnv>): number | undefined => bindingOf(c)?.devices;

/** Requests from outside go through `authentication`; the author of an approved one is known. */
export const exceptApproved =
  (authentication: MiddlewareHandler<AdminEnv>): MiddlewareHandler<AdminEnv> =>
  async (c, next) => {
    const approved = bindingOf(c);
    if (approved === undefined) return authentication(c, next);
    c.set('operator', approved.operator);
    c.set('source', approved.source);
    c.set('approvedBy', approved.approvedBy);
    return next();
  };
