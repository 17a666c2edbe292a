import type { Context, Hono } from 'hono';
import { recordText } from '../delivery/computers/pushed-record.ts';
import type { Intake, PushedRecord } from '../delivery/intake.ts';
import { parseGuid } from '../ids.ts';
import { parseLenientJson, readBodyText } from '../jamf/body-text.ts';
import { parseComputer } from '../jamf/inventory.ts';
import type { Unusable } from '../jamf/named-computers.ts';
import { parseWebhook } from '../jamf/webhook.ts';
import { bodyBytes, inventoryBodyBytes, inventoryUnpackedBytes, recordsPerPush } from '../limits.ts';
import { type FieldError, type Problem, ProblemError, problem } from '../problems.ts';
import { presentedKey } from '../secrets/keys.ts';
import type { InstanceKeys, KeyOwner } from '../store/instance-keys.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { currentTraceparent, inSpan } from '../telemetry/tracing.ts';
import type { Attempts } from './attempts.ts';
import { gunzip } from './body.ts';
import type { Gate } from './gate.ts';
import type { ListenerEnv, RequestFacts } from './listener.ts';
import type { RateLimit } from './rate.ts';

/** The data listener's Jamf side (contract section 5). */
export interface JamfSideOptions {
  readonly intake: Intake;
  readonly keys: InstanceKeys;
  readonly attempts: Attempts;
  readonly facts: RequestFacts;
  readonly rate: RateLimit;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'inputIgnored'>;
  /** Bounds how many packed bodies are held unpacked at the same time. */
  readonly unpacking: Gate;
}

/** The same answer for a wrong key, no key and an unknown instance (contract section 11). */
const unauthenticated: Problem = problem(
  'unauthenticated',
  "Give one of this instance's keys as HTTP Basic password, as Bearer or in X-Api-Key, or its client certificate.",
  { headers: { 'www-authenticate': 'Basic realm="espalier", charset="UTF-8", Bearer realm="espalier"' } },
);

async function authenticate(c: Context<ListenerEnv>, options: JamfSideOptions): Promise<KeyOwner> {
  const instanceId = parseGuid(c.req.param('instanceId'));
  const key = presentedKey(c.req.raw.headers);
  const certificate = options.facts.clientCertificateSha256(c);
  let owner = key === undefined ? undefined : await options.keys.ownerOfKey(key);
  if (key === undefined && certificate !== undefined && instanceId !== undefined) {
    owner = await options.keys.ownerOfCertificate(instanceId, certificate);
  }
  if (owner === undefined || owner.instanceId !== instanceId) {
    throw new ProblemError(options.attempts.wrong(options.facts.remoteAddress(c)) ?? unauthenticated);
  }
  const waitSeconds = options.rate.take(instanceId);
  if (waitSeconds !== undefined) {
    throw new ProblemError(
      problem('rate-limited', 'This instance sends too fast.', { retryAfterSeconds: waitSeconds }),
    );
  }
  return owner;
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

/** Fields of ignored elements in a log line. */
const fieldsLogged = 5;

/** The first elements that could not be used, and how many more there are. */
const toldIgnored = ({ count, listed }: Unusable) =>
  count > listed.length
    ? [
        ...listed,
        { code: 'MORE', field: '', description: `${count - listed.length} more could not be used.` },
      ]
    : listed;

/** What of an event is lost is counted and logged, in one line whose length the sender does not decide. */
function noteIgnored(
  owner: KeyOwner,
  event: string,
  { count, listed }: Unusable,
  { log, metrics }: Pick<JamfSideOptions, 'log' | 'metrics'>,
): void {
  if (count === 0) return;
  metrics.inputIgnored('webhook-element', count);
  const fields = listed.slice(0, fieldsLogged).map(({ field }) => field.slice(0, 255));
  log.warn('jamf.webhook-ignored', { ...owner, jamfEvent: event, count, fields });
}

async function webhook(c: Context<ListenerEnv>, options: JamfSideOptions): Promise<Response> {
  const owner = await authenticate(c, options);
  const contentType = c.req.header('content-type');
  const body = readBodyText(await options.facts.readBody(c, bodyBytes), contentType);
  const parsed = parseWebhook(body, contentType);
  if (!parsed.ok) {
    noteIgnored(owner, 'none', { count: parsed.count, listed: parsed.errors }, options);
    throw invalid(parsed.errors);
  }
  const { computers, event, ignored } = parsed.webhook;
  const ids = computers.map((computer) => Number(computer.jamfComputerId));
  const status = ids.length > 0 ? 'accepted' : 'ignored';
  if (ids.length > 0) {
    await inSpan(
      'jamf.webhook',
      { 'espalier.tenant': owner.tenantId, 'espalier.instance': owner.instanceId, 'jamf.event': event },
      c.req.header('traceparent'),
      () => options.intake.markDue({ ...owner, traceparent: currentTraceparent() }, ids),
    );
  }
  noteIgnored(owner, event, ignored, options);
  options.log.debug('jamf.webhook', { ...owner, jamfEvent: event, computers: ids.length, status });
  return c.json({ status, ...(ignored.count === 0 ? {} : { ignored: toldIgnored(ignored) }) }, 202);
}

interface Rejected {
  readonly index: number;
  readonly code: string;
  readonly description: string;
}

const tooManyRecords = (): ProblemError =>
  new ProblemError(problem('payload-too-large', `A push may hold ${recordsPerPush} records at most.`));

/** Lines that hold something, one by one: a body of ten million empty ones must not become an array of them. */
function splitLines(text: string): string[] {
  const lines: string[] = [];
  for (let from = 0; from < text.length; ) {
    const newline = text.indexOf('\n', from);
    const to = newline < 0 ? text.length : newline;
    const line = text.slice(from, to).trim();
    if (line !== '' && lines.push(line) > recordsPerPush) throw tooManyRecords();
    from = to + 1;
  }
  return lines;
}

/** The records of a push: one object, an array, or one JSON object a line. */
function splitRecords(text: string, contentType: string): (string | { value: unknown })[] {
  if (/^application\/(x-)?nd-?json|^application\/(json-?seq|x-jsonlines|jsonl)/i.test(contentType)) {
    return splitLines(text);
  }
  if (contentType !== '' && !/^application\/([\w.+-]+\+)?json|^text\/json/i.test(contentType)) {
    throw new ProblemError(
      problem('unsupported-media-type', 'Send application/json or application/x-ndjson.'),
    );
  }
  try {
    const value = parseLenientJson(text);
    const entries: unknown[] = Array.isArray(value) ? value : [value];
    if (entries.length > recordsPerPush) throw tooManyRecords();
    return entries.map((entry) => ({ value: entry }));
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    throw invalid([
      { code: 'INVALID_JSON', field: null, description: `the body is not JSON: ${(error as Error).message}` },
    ]);
  }
}

function readRecord(entry: string | { value: unknown }): PushedRecord | Omit<Rejected, 'index'> {
  let value: unknown;
  try {
    value = typeof entry === 'string' ? parseLenientJson(entry) : entry.value;
  } catch (error) {
    return { code: 'INVALID_JSON', description: `not JSON: ${(error as Error).message}` };
  }
  const parsed = parseComputer(value);
  if (!parsed.ok) {
    const [first] = parsed.errors;
    return {
      code: first?.code ?? 'INVALID_RECORD',
      description: parsed.errors.map((error) => `${error.field}: ${error.description}`).join('; '),
    };
  }
  return {
    jamfComputerId: Number(parsed.computer.jamfComputerId),
    text: recordText(value as Record<string, unknown>),
    reportAt: parsed.computer.reportedAt ?? null,
  };
}

async function inventory(c: Context<ListenerEnv>, options: JamfSideOptions): Promise<Response> {
  const owner = await authenticate(c, options);
  const encoding = c.req.header('content-encoding')?.toLowerCase() ?? 'identity';
  if (encoding !== 'gzip' && encoding !== 'identity') {
    throw new ProblemError(problem('unsupported-media-type', 'Content-Encoding may be gzip or absent.'));
  }
  const bytes = await options.facts.readBody(c, inventoryBodyBytes);
  if (encoding === 'identity') return takePush(c, options, owner, bytes);
  return options.unpacking(async () =>
    takePush(c, options, owner, await gunzip(bytes, inventoryUnpackedBytes)),
  );
}

async function takePush(
  c: Context<ListenerEnv>,
  options: JamfSideOptions,
  owner: KeyOwner,
  bytes: Uint8Array,
): Promise<Response> {
  const contentType = c.req.header('content-type') ?? '';
  const entries = splitRecords(readBodyText(bytes, contentType), contentType);
  if (entries.length === 0) {
    throw invalid([{ code: 'EMPTY', field: null, description: 'the body holds no record' }]);
  }
  const records: PushedRecord[] = [];
  const rejected: Rejected[] = [];
  for (const [index, entry] of entries.entries()) {
    const read = readRecord(entry);
    if ('text' in read) records.push(read);
    else rejected.push({ index, ...read });
  }
  await inSpan(
    'jamf.inventory',
    {
      'espalier.tenant': owner.tenantId,
      'espalier.instance': owner.instanceId,
      'espalier.records': records.length,
    },
    c.req.header('traceparent'),
    () => options.intake.storeRecords({ ...owner, traceparent: currentTraceparent() }, records),
  );
  return c.json({ accepted: records.length, rejected }, 202);
}

export function addJamfRoutes(app: Hono<ListenerEnv>, options: JamfSideOptions): void {
  app.post('/jamf/:instanceId/webhooks', (c) => webhook(c, options));
  app.post('/jamf/:instanceId/inventory', (c) => inventory(c, options));
}
