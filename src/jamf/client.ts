import { instanceAnswerLimits } from '../limits.ts';
import type { Send } from '../outbound/port.ts';
import { createSemaphore, type Semaphore } from '../semaphore.ts';
import { isRecord } from '../untrusted/bounded-json.ts';
import { parseInTurns } from '../untrusted/json-in-turns.ts';
import { turnsApart, type Work } from '../untrusted/turns.ts';
import { type ComplianceRecord, parseComplianceInformation } from './compliance.ts';
import { type ConnectionTest, testConnection } from './connection-test.ts';
import { createExchange, type Exchange } from './exchange.ts';
import { type JamfFailure, type JamfResult, readAnswer } from './failure.ts';
import { type JamfComputer, parseComputer } from './inventory.ts';
import {
  followsId,
  type InventoryPage,
  inventoryAfterPath,
  inventoryPagePath,
  readInventoryPage,
} from './inventory-page.ts';
import {
  createInventoryReader,
  type InventoryReader,
  type InventoryVersion,
  inventoryProbePath,
} from './inventory-version.ts';
import { type ApiPrivileges, readPrivileges } from './privileges.ts';
import { createTokenSource, type GrantedToken, type TokenSource } from './token.ts';
import { type FieldError, readComputerId, readScalarText, readTimestamp } from './wire-values.ts';

/** One answer of the API: a page of 100 records with their groups, or a whole record with its applications. */
const answerMaxBytes = 33_554_432;
const defaultConcurrency = 5;

export interface JamfClientOptions {
  readonly send: Send;
  /** The instance's URL, with its context path if it has one; `/api/…` is added. */
  readonly baseUrl: string;
  readonly clientId: string;
  /** Asked for at each token request, so that a rotated secret counts at once. */
  readonly clientSecret: () => Promise<string>;
  /** PEM of one more certificate authority to trust. */
  readonly caCertificate?: string;
  /** Requests at a time, token requests included; default: 5 (domain/jamf.md 1.5). */
  readonly concurrency?: number;
  /** Milliseconds that only grow: a token's life is counted from when it was asked for (clock.ts). */
  readonly now: () => number;
  /** Milliseconds since the epoch, for a `Retry-After` that is a date; default: `Date.now`. */
  readonly date?: () => number;
  readonly timeoutMs: number;
  readonly randomRequestId?: () => string;
  /** Turns in which large answers are read; default: turns of its own. */
  readonly work?: Work;
  /** Default: the client's own. */
  readonly learnt?: LearntOfInstance;
}

/** What a client was granted and found out, as plain data: the next client of the same instance goes on with it. */
export interface LearntOfInstance extends GrantedToken {
  inventory?: { readonly version: number; readonly atMs: number };
}

/** A token for the forwarding path, which makes its own requests. */
export interface JamfAuthorization {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
  /** Called when the instance answers 401 to this token. */
  readonly invalidate: () => void;
}

export interface ComputerAnswer {
  readonly computer: JamfComputer;
  readonly warnings: readonly FieldError[];
  /** The record as it came, for what `JamfComputer` leaves out. */
  readonly record: unknown;
  readonly inventoryVersion: InventoryVersion;
}

export interface ComplianceAnswer {
  readonly records: readonly ComplianceRecord[];
  readonly warnings: readonly FieldError[];
}

/** One instance's API; every call tells its failure as a value (`JamfFailure`) and throws nothing. */
export interface JamfClient {
  /** Such as `11.30.1-t1784555528405`. */
  version(): Promise<JamfResult<{ readonly version: string }>>;
  /** One whole record; `not-found` only when the instance itself says that the computer does not exist. */
  computer(jamfComputerId: string): Promise<JamfResult<ComputerAnswer>>;
  /** Compliance per vendor; an unknown computer is `not-found` or an empty list, as the instance likes. */
  complianceInformation(jamfComputerId: string): Promise<JamfResult<ComplianceAnswer>>;
  /**
   * One page (from 0) of the computers whose inventory is later than this ISO 8601 instant, oldest first; all of
   * them when it is `undefined`.
   */
  computersChangedSince(
    changedSince: string | undefined,
    page: number,
  ): Promise<JamfResult<{ readonly page: InventoryPage }>>;
  /**
   * The page of computers that follows this id, lowest first (0: the first page), with their accounts. Whatever
   * node of a cluster answers, a page says nothing but what it holds.
   */
  computersAfter(afterId: number): Promise<JamfResult<{ readonly page: InventoryPage }>>;
  authorization(): Promise<JamfResult<{ readonly authorization: JamfAuthorization }>>;
  /** Newest version of the inventory that the instance has, for the forwarding path. */
  inventoryVersion(): Promise<JamfResult<{ readonly inventoryVersion: number }>>;
  /** The token that `authorization` would give, and the version, where that asks nobody. */
  cachedToken(): string | undefined;
  cachedInventoryVersion(): number | undefined;
  privileges(): Promise<JamfResult<ApiPrivileges>>;
  /** Tests the instance for an operator, step by step. */
  test(): Promise<ConnectionTest>;
}

interface GetParts {
  readonly exchange: Exchange;
  readonly tokens: TokenSource;
  readonly queue: Semaphore;
  /** Milliseconds since the epoch. */
  readonly date: () => number;
  readonly work: Work;
}

type Get = (path: string) => Promise<JamfResult<{ readonly body: unknown }>>;

/**
 * The client of one instance; it keeps a token and the inventory version, nothing else. Its callers wait for each other's
 * token requests and places: on Workers it lives in one request.
 */
export function createJamfClient(options: JamfClientOptions): JamfClient {
  const exchange = createExchange({
    send: options.send,
    baseUrl: options.baseUrl,
    caCertificate: options.caCertificate,
    timeoutMs: options.timeoutMs,
    randomRequestId: options.randomRequestId ?? (() => crypto.randomUUID()),
  });
  const learnt = options.learnt ?? {};
  const tokens = createTokenSource({
    exchange,
    granted: learnt,
    clientId: options.clientId,
    clientSecret: options.clientSecret,
    now: options.now,
  });
  const queue = createSemaphore(Math.max(1, options.concurrency ?? defaultConcurrency));
  const work = options.work ?? turnsApart.work('');
  const get = authorizedGet({ exchange, tokens, queue, date: options.date ?? Date.now, work });
  const readInventory = createInventoryReader(get);
  const version = () => readVersion(get);
  const complianceInformation = (id: string) => readCompliance(get, id);
  const authorization = () => authorize(tokens, queue);
  const inventoryVersion = rememberVersion(readInventory, learnt, options.now);
  return {
    version,
    computer: (id) => readComputer(readInventory, id),
    complianceInformation,
    computersChangedSince: (changedSince, page) => readChangedSince(readInventory, changedSince, page),
    computersAfter: (afterId) => readAfter(readInventory, afterId),
    authorization,
    inventoryVersion: inventoryVersion.get,
    cachedToken: () => tokens.cached()?.value,
    cachedInventoryVersion: inventoryVersion.cached,
    privileges: async () => {
      const answer = await get('/api/v1/auth');
      return answer.ok ? { ok: true, ...readPrivileges(answer.body) } : answer;
    },
    test: () =>
      testConnection({
        token: authorization,
        version,
        inventory: () => probeInventory(readInventory),
        compliance: complianceInformation,
      }),
  };
}

/** A page of a hundred records, or one with thousands of applications, is a few MB; undefined: no JSON that is read. */
async function parseAnswer(text: string, work: Work): Promise<unknown> {
  try {
    return await parseInTurns(text, instanceAnswerLimits, work);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * GET with the client's token, renewed once when the instance refuses it: tokens die early when a client changes. The
 * token is fetched inside the queue's slot by whoever needs it first, so that it never waits behind its own waiters.
 */
function authorizedGet({ date, exchange, queue, tokens, work }: GetParts): Get {
  const attempt = async (path: string, mayRenew: boolean): ReturnType<Get> => {
    const granted = await tokens.get();
    if (!granted.ok) return granted;
    const { value } = granted.token;
    const headers = { authorization: `Bearer ${value}` };
    const answer = await exchange({ method: 'GET', path, headers, answerMaxBytes });
    if (!answer.ok) return answer;
    const body = await parseAnswer(answer.text, work);
    if (answer.status !== 401) return readAnswer(answer, date(), body);
    tokens.invalidate(value);
    return mayRenew ? attempt(path, false) : readAnswer(answer, date(), body);
  };
  return (path) => queue(() => attempt(path, true));
}

async function authorize(
  tokens: TokenSource,
  queue: Semaphore,
): Promise<JamfResult<{ readonly authorization: JamfAuthorization }>> {
  // A device call with a warm token must not wait behind the readers of inventory.
  const warm = tokens.cached();
  const granted = warm ? { ok: true as const, token: warm } : await queue(tokens.get);
  if (!granted.ok) return granted;
  const { value, expiresAtMs } = granted.token;
  const invalidate = () => tokens.invalidate(value);
  return { ok: true, authorization: { token: value, expiresAtMs, invalidate } };
}

function invalidAnswer(what: string, errors: readonly FieldError[] = []): JamfFailure {
  const fields = errors.slice(0, 5).map(({ description }) => description);
  return { ok: false, failure: 'invalid-answer', status: 200, detail: [what, ...fields].join(' ') };
}

const notAnId: JamfFailure = {
  ok: false,
  failure: 'error',
  detail: 'not a Jamf computer id; nothing was sent',
};

async function readVersion(get: Get): Promise<JamfResult<{ readonly version: string }>> {
  const answer = await get('/api/v1/jamf-pro-version');
  if (!answer.ok) return answer;
  const version = isRecord(answer.body) ? readScalarText(answer.body.version) : undefined;
  return version === undefined ? invalidAnswer('The answer has no version.') : { ok: true, version };
}

async function readComputer(
  read: InventoryReader,
  jamfComputerId: string,
): Promise<JamfResult<ComputerAnswer>> {
  const id = readComputerId(jamfComputerId);
  if (id === undefined) return notAnId;
  const answer = await read((version) => `/api/v${version}/computers-inventory-detail/${id}`);
  if (!answer.ok) return answer;
  const parsed = parseComputer(answer.body);
  if (!parsed.ok) return invalidAnswer('The record cannot be read.', parsed.errors);
  const { computer, warnings } = parsed;
  // A cache or proxy that mixes answers up would give one Mac's registrations to another.
  if (computer.jamfComputerId !== id) return invalidAnswer("The answer is another computer's record.");
  return { ok: true, computer, warnings, record: answer.body, inventoryVersion: answer.version };
}

async function readCompliance(get: Get, jamfComputerId: string): Promise<JamfResult<ComplianceAnswer>> {
  const id = readComputerId(jamfComputerId);
  if (id === undefined) return notAnId;
  const answer = await get(`/api/v1/conditional-access/device-compliance-information/computer/${id}`);
  if (!answer.ok) return answer;
  const parsed = parseComplianceInformation(answer.body);
  if (!parsed.ok) return invalidAnswer('The compliance information cannot be read.', parsed.errors);
  if (parsed.records.some((record) => record.jamfComputerId !== undefined && record.jamfComputerId !== id)) {
    return invalidAnswer("The answer is another computer's compliance.");
  }
  return { ok: true, records: parsed.records, warnings: parsed.warnings };
}

async function readChangedSince(
  read: InventoryReader,
  changedSince: string | undefined,
  page: number,
): Promise<JamfResult<{ readonly page: InventoryPage }>> {
  if (!Number.isSafeInteger(page) || page < 0) {
    return { ok: false, failure: 'error', detail: 'not a page number; nothing was sent' };
  }
  const since = changedSince === undefined ? undefined : readTimestamp(changedSince);
  if (changedSince !== undefined && since === undefined) {
    return { ok: false, failure: 'error', detail: 'not an ISO 8601 instant; nothing was sent' };
  }
  const answer = await read((version) => inventoryPagePath(version, since, page));
  if (!answer.ok) return answer;
  const found = readInventoryPage(answer.body, page);
  return found ? { ok: true, page: found } : invalidAnswer('The answer is not a page of computers.');
}

async function readAfter(
  read: InventoryReader,
  afterId: number,
): Promise<JamfResult<{ readonly page: InventoryPage }>> {
  if (!Number.isSafeInteger(afterId) || afterId < 0) return notAnId;
  const answer = await read((version) => inventoryAfterPath(version, afterId));
  if (!answer.ok) return answer;
  const page = readInventoryPage(answer.body, 0);
  if (!page) return invalidAnswer('The answer is not a page of computers.');
  return followsId(page, afterId)
    ? { ok: true, page }
    : invalidAnswer('The page is not sorted and filtered by id as it was asked for.');
}

/** An instance is upgraded a few times a year; a call must not ask for its version each time. */
const inventoryVersionFreshMs = 600_000;

function rememberVersion(read: InventoryReader, learnt: LearntOfInstance, now: () => number) {
  const cached = (): number | undefined =>
    learnt.inventory && now() - learnt.inventory.atMs < inventoryVersionFreshMs
      ? learnt.inventory.version
      : undefined;
  const get: JamfClient['inventoryVersion'] = async () => {
    const inventoryVersion = cached();
    if (inventoryVersion !== undefined) return { ok: true, inventoryVersion };
    const probed = await probeInventory(read);
    if (!probed.ok) return probed;
    learnt.inventory = { version: probed.inventoryVersion, atMs: now() };
    return { ok: true, inventoryVersion: probed.inventoryVersion };
  };
  return { cached, get };
}

async function probeInventory(
  read: InventoryReader,
): Promise<
  JamfResult<{ readonly inventoryVersion: number; readonly totalCount: number; readonly firstId?: string }>
> {
  const answer = await read(inventoryProbePath);
  if (!answer.ok) return answer;
  const page = readInventoryPage(answer.body, 0);
  if (!page) return invalidAnswer('The answer is not a page of computers.');
  const firstId = page.items[0]?.computer.jamfComputerId ?? page.rejected[0]?.jamfComputerId;
  return { ok: true, inventoryVersion: answer.version, totalCount: page.totalCount, firstId };
}
