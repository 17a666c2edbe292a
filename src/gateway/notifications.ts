import type { Context, Hono } from 'hono';
import { type NotificationOutcome, takeNotifications } from '../delivery/directory/take-notifications.ts';
import { parseNotifications } from '../graph/notifications.ts';
import { parseGuid } from '../ids.ts';
import { bodyBytes, smallBodyBytes, validationTokenCharacters } from '../limits.ts';
import { type FieldError, ProblemError, problem } from '../problems.ts';
import type { Sha256 } from '../secrets/sha256.ts';
import type { KeyedSemaphore } from '../semaphore.ts';
import type { Sql } from '../store/database.ts';
import type { TenantDirectory } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { sourceKey } from './attempts.ts';
import { decodeText } from './body.ts';
import type { FairShare } from './fair-share.ts';
import type { ListenerEnv, RequestFacts } from './listener.ts';
import type { RateLimit } from './rate.ts';
import type { PassOn } from './relay.ts';

/**
 * Graph's change notifications of a tenant (contract section 6): committed, then answered 202, whatever follows later.
 * Graph waits 3 s and sends again for up to 4 h what was not answered 2xx (docs/notifications.md).
 */
export interface NotificationSideOptions {
  readonly sql: Sql;
  readonly tenants: TenantDirectory;
  readonly facts: RequestFacts;
  readonly rate: RateLimit;
  /** Bytes of large bodies that are being read, by tenant and address: whoever sends them shows no credential before. */
  readonly bodies: FairShare;
  readonly passOn: PassOn;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly sha256?: Sha256 | undefined;
  readonly turns?: KeyedSemaphore | undefined;
  /** Told after the commit of what has to be acted on. */
  readonly onNoted?: ((tenantId: string) => void) | undefined;
}

const invalid = (error: FieldError): ProblemError =>
  new ProblemError(
    problem('invalid-request', `${error.field ?? 'body'}: ${error.description}`, { errors: [error] }),
  );

const tooMany = (retryAfterSeconds: number): ProblemError =>
  new ProblemError(problem('rate-limited', 'Too many notifications for this tenant.', { retryAfterSeconds }));

/** The tenant of the path; a stranger learns no more than that it is not here. */
async function tenantIdOf(c: Context<ListenerEnv>, options: NotificationSideOptions): Promise<string> {
  const { rate, tenants } = options;
  const tenantId = parseGuid(c.req.param('tenantId'));
  const source = sourceKey(options.facts.remoteAddress(c));
  const unknown = new ProblemError(problem('tenant-unknown', 'There is no such tenant here.'));
  if (tenantId === undefined) throw unknown;
  if (tenants.peek(tenantId) === undefined) {
    // All that may be invented shares one bound: each such id costs a look into the database.
    const waitSeconds = rate.take('not met', source);
    if (waitSeconds !== undefined) throw tooMany(waitSeconds);
    if (!(await tenants.tenant(tenantId))) throw unknown;
  }
  // The tenant's rate is checked after this: invented tenants must not fill the places of those that are here.
  const waitSeconds = rate.take(tenantId, source);
  if (waitSeconds !== undefined) throw tooMany(waitSeconds);
  return tenantId;
}

/** Text that a stranger chose goes back as nothing but text. */
const handshakeHeaders = {
  'content-type': 'text/plain; charset=utf-8',
  'content-security-policy': "default-src 'none'; sandbox",
};

/** Graph calls the address of a new subscription and wants the decoded token back as plain text. */
function answerHandshake(c: Context<ListenerEnv>, tokens: readonly string[]): Response {
  const [token = '', ...more] = tokens;
  if (more.length > 0 || token === '' || token.length > validationTokenCharacters) {
    const description = `is to be given once, with 1 to ${validationTokenCharacters} characters`;
    throw invalid({ code: 'INVALID_TOKEN', field: 'validationToken', description });
  }
  return c.body(token, 200, handshakeHeaders);
}

/** Does what holds the body, within the share of the tenant and the address. */
async function holdingBody<T>(
  c: Context<ListenerEnv>,
  { bodies, facts }: NotificationSideOptions,
  tenantId: string,
  work: () => Promise<T>,
): Promise<T> {
  const length = facts.body(c)?.length ?? bodyBytes;
  // Graph's are small nearly always: large ones of strangers that never come to their end must not take their place.
  const bytes = length <= smallBodyBytes ? 0 : Math.min(length, bodyBytes);
  const part = bodies.partOf(tenantId, sourceKey(facts.remoteAddress(c)));
  const busy = bodies.take(part, bytes);
  if (busy !== undefined) throw new ProblemError(busy);
  try {
    return await work();
  } finally {
    bodies.give(part, bytes);
  }
}

async function receive(c: Context<ListenerEnv>, options: NotificationSideOptions): Promise<Response> {
  const { log, metrics } = options;
  const tenantId = await tenantIdOf(c, options);
  const relay = (await options.tenants.tenant(tenantId))?.relay;
  if (relay)
    return holdingBody(c, options, tenantId, () =>
      options.passOn(c, { tenantId, relay, from: 'stranger', bodyBytes }),
    );
  const tokens = new URL(c.req.url).searchParams.getAll('validationToken');
  if (tokens.length > 0) {
    const answer = answerHandshake(c, tokens);
    metrics.notification('handshake');
    return answer;
  }
  const text = await holdingBody(c, options, tenantId, async () =>
    decodeText(await options.facts.readBody(c, bodyBytes)),
  );
  const parsed = parseNotifications(text);
  if (!parsed.ok) throw invalid({ code: 'INVALID', field: parsed.field, description: parsed.description });
  const outcomes = await takeNotifications(options, tenantId, parsed.notifications);
  const counts = Map.groupBy(outcomes, (outcome) => outcome);
  for (const [outcome, { length }] of counts) metrics.notification(outcome, length);
  if (parsed.unreadable > 0) metrics.notification('unreadable', parsed.unreadable);
  const count = (outcome: NotificationOutcome): number => counts.get(outcome)?.length ?? 0;
  if (count('noted') + count('lifecycle') > 0) options.onNoted?.(tenantId);
  const rejected = count('rejected');
  // The value is never logged: it may be the right one of another subscription.
  if (rejected > 0) log.warn('notification.rejected', { tenantId, rejected, requestId: c.get('requestId') });
  log.debug('notification', {
    tenantId,
    noted: count('noted'),
    lifecycle: count('lifecycle'),
    ignored: count('ignored'),
    unreadable: parsed.unreadable,
  });
  return c.body(null, 202);
}

export function addNotificationRoute(app: Hono<ListenerEnv>, options: NotificationSideOptions): void {
  app.post('/t/:tenantId/notifications', (c) => receive(c, options));
}
