import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { SimulatedTenant } from '../directory.ts';
import type { HostEnv } from '../host.ts';
import { type CloudContext, findTenant, isGuid } from './context.ts';
import { type EntraErrorFacts, entraCatalogue } from './entra-catalogue.ts';
import { describeOtherCloud } from './other-cloud.ts';

/** A refusal by Entra: domain/microsoft.md 1.7 and 1.8. */
export interface EntraFailure {
  /** The OAuth code. */
  readonly error: string;
  /** The AADSTS number. */
  readonly code: number;
  readonly message: string;
  /** HTTP status; default: 401 for `invalid_client`, 400 otherwise (domain/microsoft.md 1.7). */
  readonly status?: number | undefined;
  readonly suberror?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

export type EntraResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: EntraFailure };

export const succeed = <T>(value: T): EntraResult<T> => ({ ok: true, value });

export const refuse = (error: string, code: number, message: string): EntraResult<never> => ({
  ok: false,
  failure: { error, code, message },
});

/** A refusal in the catalogue's words. Throws RangeError for a code that it lacks. */
export function refuseByCatalogue(code: number, facts: Partial<EntraErrorFacts>): EntraResult<never> {
  const known = entraCatalogue(code);
  if (!known) throw new RangeError(`AADSTS${code} is not in the catalogue`);
  const { error, status, suberror, retryAfterSeconds } = known;
  const all = {
    ...{ appId: '', appName: '', tenantId: '', tenantName: '', otherCloud: '', otherAuthority: undefined },
    ...{ resource: '', ...facts },
  };
  return {
    ok: false,
    failure: { error, code, message: known.text(all), status, suberror, retryAfterSeconds },
  };
}

/** The text Entra puts in `error_description`, with the ids that its support asks for. */
export function describeFailure(
  cloud: CloudContext,
  failure: EntraFailure,
  correlationId: string,
): { description: string; traceId: string; timestamp: string } {
  const timestamp = `${new Date(cloud.world.clock.now()).toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const traceId = randomUUID();
  return {
    description: `AADSTS${failure.code}: ${failure.message} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
    traceId,
    timestamp,
  };
}

/** The JSON answer of domain/microsoft.md 1.7. */
export function entraError(c: Context<HostEnv>, cloud: CloudContext, failure: EntraFailure): Response {
  const asked = c.req.header('client-request-id');
  const correlationId = isGuid(asked) ? asked : randomUUID();
  const { description, traceId, timestamp } = describeFailure(cloud, failure, correlationId);
  c.set('note', { ...c.get('note'), aadsts: failure.code });
  return c.json(
    {
      error: failure.error,
      error_description: description,
      error_codes: [failure.code],
      timestamp,
      trace_id: traceId,
      correlation_id: correlationId,
      error_uri: `${cloud.addresses.entra}/error?code=${failure.code}`,
      ...(failure.suberror !== undefined && { suberror: failure.suberror }),
    },
    (failure.status ?? (failure.error === 'invalid_client' ? 401 : 400)) as ContentfulStatusCode,
    {
      'cache-control': 'no-store, no-cache',
      pragma: 'no-cache',
      ...(failure.retryAfterSeconds !== undefined && { 'retry-after': String(failure.retryAfterSeconds) }),
    },
  );
}

/** The tenant of a path, or why Entra will not talk about it (AADSTS90002, 90038). */
export function requireTenant(cloud: CloudContext, tenantId: string): EntraResult<SimulatedTenant> {
  const found = findTenant(cloud, tenantId);
  switch (found.kind) {
    case 'here':
      return succeed(found.tenant);
    case 'other-cloud':
      return refuseByCatalogue(90038, {
        tenantId,
        ...describeOtherCloud(cloud, found.tenant.cloud),
      });
    case 'unknown':
      return refuseByCatalogue(90002, { tenantId });
  }
}
