import type { Context, Hono } from 'hono';
import type { CheckIns } from '../delivery/check-ins/check-ins.ts';
import type { Intake, PushedRecord } from '../delivery/intake.ts';
import type { MissedEvents } from '../delivery/missed-events.ts';
import { parseGuid } from '../ids.ts';
import { readBodyText } from '../jamf/body-text.ts';
import type { Unusable } from '../jamf/named-computers.ts';
import { parseWebhook, readWebhook, type WebhookResult } from '../jamf/webhook.ts';
import {
  inventoryBodyBytes,
  inventoryUnpackedBytes,
  namedInBulk,
  packedHeldBytes,
  pushHeldBytes,
  smallBodyBytes,
  unpackerBytes,
  unsaidWebhookBytes,
  webhookBodyBytes,
} from '../limits.ts';
import { type FieldError, type Problem, ProblemError, problem } from '../problems.ts';
import { presentedKey } from '../secrets/keys.ts';
import { isOwnerGone, isStoreUnavailable } from '../store/database.ts';
import type { InstanceKeys, KeyHolder } from '../store/instance-keys.ts';
import type { Relay } from '../store/placements.ts';
import type { TenantDirectory } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { currentTraceparent, noteOnSpan } from '../telemetry/tracing.ts';
import type { Turns } from '../untrusted/turns.ts';
import type { Attempts } from './attempts.ts';
import { receivedChunks } from './body.ts';
import type { IncomingBody, ListenerEnv, RequestFacts } from './listener.ts';
import { type Place, type Shares, takePlace } from './place.ts';
import { type Pressure, shedProblem } from './pressure.ts';
import { recordReaderOf, type TakenPush, takeRecords, takeSmallPush } from './pushes.ts';
import type { RateLimit, SharedRate } from './rate.ts';
import type { PassOn } from './relay.ts';
import { inRequestSpan } from './request-span.ts';
import { unpackedChunks } from './unpacked-chunks.ts';

/** The data listener's Jamf side (contract section 5). */
export interface JamfSideOptions extends Shares {
  readonly intake: Intake;
  /** Absent where no check-in is folded. */
  readonly checkIns?: CheckIns;
  /** Absent where nothing outlives a request (Workers). */
  readonly missed?: Pick<MissedEvents, 'note'>;
  readonly keys: InstanceKeys;
  readonly tenants: Pick<TenantDirectory, 'tenant'>;
  readonly passOn: PassOn;
  readonly attempts: Attempts;
  readonly facts: RequestFacts;
  readonly rate: RateLimit;
  /** Asked after `rate`, where the runtime has one. */
  readonly sharedRate?: SharedRate | undefined;
  readonly pressure: Pressure;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'inputIgnored'>;
  /** Large bodies are read in turns. */
  readonly turns: Turns;
}

/** The same answer for a wrong key, no key and an unknown instance (contract section 11). */
const unauthenticated: Problem = problem(
  'unauthenticated',
  "Give one of this instance's keys as HTTP Basic password, as Bearer or in X-Api-Key, or its client certificate.",
  { headers: { 'www-authenticate': 'Basic realm="espalier", charset="UTF-8", Bearer realm="espalier"' } },
);

/** Whose request it is; a stranger's is refused. */
async function identify(c: Context<ListenerEnv>, options: JamfSideOptions): Promise<KeyHolder> {
  const instanceId = parseGuid(c.req.param('instanceId'));
  const key = presentedKey(c.req.raw.headers);
  let sender = key === undefined ? undefined : await options.keys.instanceOfKey(key);
  if (key === undefined && instanceId !== undefined) {
    const certificate = options.facts.clientCertificateSha256(c);
    if (certificate !== undefined) sender = await options.keys.instanceOfCertificate(instanceId, certificate);
  }
  if (sender === undefined || sender.instanceId !== instanceId) {
    throw new ProblemError(options.attempts.wrong(options.facts.remoteAddress(c)) ?? unauthenticated);
  }
  return sender;
}

/** Whose request it is by what is in memory, which lets nobody in. */
async function remembered(c: Context<ListenerEnv>, options: JamfSideOptions): Promise<KeyHolder | undefined> {
  const instanceId = parseGuid(c.req.param('instanceId'));
  if (instanceId === undefined) return undefined;
  const key = presentedKey(c.req.raw.headers);
  const certificate = options.facts.clientCertificateSha256(c);
  return options.keys.rememberedInstance(instanceId, { key, certificate });
}

async function takeRate(
  { rate, sharedRate }: JamfSideOptions,
  { instanceId }: KeyHolder,
): Promise<number | undefined> {
  return rate.take(instanceId) ?? (await sharedRate?.take(instanceId));
}

const tooFast = (retryAfterSeconds: number): Problem =>
  problem('rate-limited', 'This instance sends too fast.', { retryAfterSeconds });

/** The tenant lives in another deployment, or is on its way there: what is answered 202 here would be lost. */
const left: Problem = problem(
  'instance-paused',
  'The tenant of this instance is moving to another deployment: send to the public address of that one.',
  { owner: 'configuration', retryAfterSeconds: 60 },
);

/**
 * Where a request of an instance whose tenant has left goes. A client certificate ends at this listener, so what was let in
 * by one is refused.
 */
async function relayOf(
  c: Context<ListenerEnv>,
  { tenants }: JamfSideOptions,
  { tenantId }: KeyHolder,
): Promise<Relay> {
  const relay = (await tenants.tenant(tenantId))?.relay;
  if (!relay) throw new ProblemError(left);
  if (presentedKey(c.req.raw.headers) !== undefined) return relay;
  throw new ProblemError(
    problem(
      'forbidden',
      `The tenant lives in another deployment, to which no client certificate can be passed on: send to ${relay.to}, or give a key.`,
      { owner: 'configuration' },
    ),
  );
}

/** The computers that an unread webhook names; undefined where that cannot be told quickly. */
async function namedComputers(
  c: Context<ListenerEnv>,
  options: JamfSideOptions,
): Promise<readonly number[] | undefined> {
  const body = options.facts.body(c);
  if (!body) return [];
  if (!isSmall(body)) return undefined;
  const parsed = await receiveWebhook(c, options, undefined);
  return parsed.ok ? parsed.webhook.computers.map(({ jamfComputerId }) => Number(jamfComputerId)) : [];
}

interface Entrance {
  readonly of: 'webhook' | 'push';
  /** Bytes that it holds in memory at first. */
  readonly bytes: number;
  /** Bytes that it may come to hold; default: no more. */
  readonly mostBytes?: number;
  /** The computers that it names, where it is refused; undefined: that cannot be told quickly. */
  readonly named: () => Promise<readonly number[] | undefined>;
}

/** Marks the instance of a request that is refused, which is not sent again. */
async function noteRefused(
  { missed }: JamfSideOptions,
  sender: KeyHolder,
  { named }: Entrance,
): Promise<void> {
  if (!missed) return;
  // At once, for the body may not come.
  missed.note(sender, []);
  missed.note(sender, await named().catch(() => undefined));
}

/**
 * Lets a request in, or refuses it. Jamf Pro does not send a webhook again, so the instance of one that is refused for the
 * load is marked. So it is while the database is away and nobody can be let in, for who was let in before is known; a
 * push is found by a poll then, as its record has a later report.
 */
async function letIn(
  c: Context<ListenerEnv>,
  options: JamfSideOptions,
  entrance: Entrance,
  work: (sender: KeyHolder, place: Place) => Promise<Response>,
): Promise<Response> {
  const isShed = entrance.of === 'webhook' && options.pressure.sheds('webhook');
  let sender: KeyHolder;
  try {
    sender = (isShed ? await remembered(c, options) : undefined) ?? (await identify(c, options));
  } catch (error) {
    if (options.missed && isStoreUnavailable(error)) {
      const known = await remembered(c, options);
      if (known !== undefined && options.rate.take(known.instanceId) === undefined)
        await noteRefused(options, known, entrance);
    }
    throw error;
  }
  const relay = sender.hasLeft ? await relayOf(c, options, sender) : undefined;
  const waitSeconds = isShed ? undefined : await takeRate(options, sender);
  const place = isShed
    ? shedProblem
    : waitSeconds === undefined
      ? takePlace(options, sender, entrance.bytes, entrance.mostBytes)
      : tooFast(waitSeconds);
  if (!('leave' in place)) {
    if (entrance.of === 'webhook' && relay === undefined) await noteRefused(options, sender, entrance);
    throw new ProblemError(place);
  }
  try {
    const attributes = () => ({
      'espalier.tenant': sender.tenantId,
      'espalier.instance': sender.instanceId,
    });
    return await inRequestSpan(c, attributes, () => {
      if (relay === undefined) return work(sender, place);
      const bodyBytes = entrance.of === 'webhook' ? webhookBodyBytes : inventoryBodyBytes;
      return options.passOn(c, { tenantId: sender.tenantId, relay, from: 'known', bodyBytes });
    });
  } finally {
    place.leave();
  }
}

/**
 * Computers are remembered as missed where the database went away before the commit. A key is remembered for a second
 * (store/credentials.ts), so its instance may have been deleted by another process since it was let in.
 */
async function committed(
  options: JamfSideOptions,
  sender: KeyHolder,
  computerIds: readonly number[],
  commit: () => Promise<void>,
): Promise<void> {
  try {
    await commit();
  } catch (error) {
    if (isOwnerGone(error)) throw new ProblemError(unauthenticated);
    if (isStoreUnavailable(error)) options.missed?.note(sender, computerIds);
    throw error;
  }
}

const invalid = (errors: readonly FieldError[]): ProblemError =>
  new ProblemError(
    problem(
      'invalid-request',
      errors.map((error) => `${error.field ?? 'body'}: ${error.description}`).join('; '),
      {
        errors,
      },
    ),
  );

const tooMuch = (errors: readonly FieldError[]): ProblemError =>
  new ProblemError(
    problem('payload-too-large', errors.map(({ description }) => description).join(' '), { errors }),
  );

/** Fields of ignored elements in a log line. */
const fieldsLogged = 5;

/** The first elements that could not be used, and how many more there are. */
const describeIgnored = ({ count, listed }: Unusable) =>
  count > listed.length
    ? [
        ...listed,
        { code: 'MORE', field: '', description: `${count - listed.length} more could not be used.` },
      ]
    : listed;

/** Counts and logs the lost parts of an event, in one line whose length the sender does not decide. */
function recordIgnored(
  sender: KeyHolder,
  event: string,
  { count, listed }: Unusable,
  { log, metrics }: Pick<JamfSideOptions, 'log' | 'metrics'>,
): void {
  if (count === 0) return;
  metrics.inputIgnored('webhook-element', count);
  const fields = listed.slice(0, fieldsLogged).map(({ field }) => field.slice(0, 255));
  log.warn('jamf.webhook-ignored', { ...sender, jamfEvent: event, count, fields });
}

/** Nearly all are small, and are read at once. */
async function receiveWebhook(
  c: Context<ListenerEnv>,
  options: JamfSideOptions,
  sender: KeyHolder | undefined,
): Promise<WebhookResult> {
  const contentType = c.req.header('content-type');
  const body = options.facts.body(c);
  if (sender && body && !isSmall(body)) {
    const work = options.turns.work(sender.instanceId);
    return readWebhook(receivedChunks(body, webhookBodyBytes), contentType, work);
  }
  const bytes = await options.facts.readBody(c, smallBodyBytes);
  return parseWebhook(readBodyText(bytes, contentType), contentType);
}

async function takeWebhook(
  c: Context<ListenerEnv>,
  options: JamfSideOptions,
  sender: KeyHolder,
): Promise<Response> {
  const parsed = await receiveWebhook(c, options, sender);
  if (!parsed.ok) {
    recordIgnored(sender, 'none', { count: parsed.count, listed: parsed.errors }, options);
    throw parsed.isTooLarge ? tooMuch(parsed.errors) : invalid(parsed.errors);
  }
  const { computers, event, ignored } = parsed.webhook;
  const ids = computers.map((computer) => Number(computer.jamfComputerId));
  const status = ids.length > 0 ? 'accepted' : 'ignored';
  noteOnSpan({ 'jamf.event': event });
  if (ids.length > 0) {
    await committed(options, sender, ids, () => {
      const origin = { ...sender, traceparent: currentTraceparent() };
      return options.checkIns && event === 'ComputerCheckIn' && ids.length <= namedInBulk
        ? options.checkIns.take(origin, ids)
        : options.intake.markDue(origin, ids);
    });
  }
  recordIgnored(sender, event, ignored, options);
  options.log.debug('jamf.webhook', { ...sender, jamfEvent: event, computers: ids.length, status });
  return c.json({ status, ...(ignored.count === 0 ? {} : { ignored: describeIgnored(ignored) }) }, 202);
}

const isSmall = ({ length }: IncomingBody): boolean => length !== undefined && length <= smallBodyBytes;

async function* given(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Nearly all pushes are small, and are read at once; the others record by record while they arrive. */
async function receivePush(
  c: Context<ListenerEnv>,
  options: JamfSideOptions,
  sender: KeyHolder,
  /** Undefined: the body is not packed. */
  unpackedIn: Place | undefined,
): Promise<TakenPush> {
  const { facts, intake, turns } = options;
  const contentType = c.req.header('content-type') ?? '';
  const reader = recordReaderOf(contentType);
  const origin = { ...sender, traceparent: currentTraceparent() };
  const store = (records: readonly PushedRecord[]) =>
    committed(options, sender, [], () => intake.storeRecords(origin, records));
  const body = facts.body(c);
  let received = body ? receivedChunks(body, inventoryBodyBytes) : given(new Uint8Array());
  if (body && isSmall(body) && !unpackedIn) {
    const bytes = await facts.readBody(c, smallBodyBytes);
    const taken = await takeSmallPush(bytes, contentType, store);
    if (taken) return taken;
    received = given(bytes);
  }
  const chunks = unpackedIn ? unpackedChunks(received, inventoryUnpackedBytes) : received;
  const hold = (bytes: number): void => unpackedIn?.hold(unpackerBytes + bytes);
  return takeRecords({ chunks, contentType, hold }, reader, turns.work(sender.instanceId), store);
}

const codingOf = (c: Context<ListenerEnv>): string =>
  c.req.header('content-encoding')?.toLowerCase() ?? 'identity';

async function takeInventory(
  c: Context<ListenerEnv>,
  options: JamfSideOptions,
  sender: KeyHolder,
  place: Place,
): Promise<Response> {
  const encoding = codingOf(c);
  if (encoding !== 'gzip' && encoding !== 'identity') {
    throw new ProblemError(problem('unsupported-media-type', 'Content-Encoding may be gzip or absent.'));
  }
  const taken = await receivePush(c, options, sender, encoding === 'gzip' ? place : undefined);
  return c.json(taken, 202);
}

/** Bytes that a body which is not packed may hold in memory; 0 of a small one, which is read at once. */
function heldBytes(
  c: Context<ListenerEnv>,
  { facts }: JamfSideOptions,
  { most, unsaid }: { readonly most: number; readonly unsaid: number },
): number {
  const body = facts.body(c);
  return body === undefined || isSmall(body) ? 0 : Math.min(body.length ?? unsaid, most);
}

export function addJamfRoutes(app: Hono<ListenerEnv>, options: JamfSideOptions): void {
  app.post('/jamf/:instanceId/webhooks', (c) => {
    const bytes = heldBytes(c, options, { most: webhookBodyBytes, unsaid: unsaidWebhookBytes });
    const entrance: Entrance = { of: 'webhook', bytes, named: () => namedComputers(c, options) };
    return letIn(c, options, entrance, (sender) => takeWebhook(c, options, sender));
  });
  app.post('/jamf/:instanceId/inventory', (c) => {
    const held =
      codingOf(c) === 'gzip'
        ? { bytes: unpackerBytes, mostBytes: packedHeldBytes }
        : { bytes: heldBytes(c, options, { most: pushHeldBytes, unsaid: pushHeldBytes }) };
    const entrance: Entrance = { of: 'push', ...held, named: async () => [] };
    return letIn(c, options, entrance, (sender, place) => takeInventory(c, options, sender, place));
  });
}
