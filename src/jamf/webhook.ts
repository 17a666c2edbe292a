import { computersPerWebhook } from '../limits.ts';
import { isRecord } from '../untrusted/bounded-json.ts';
import type { Work } from '../untrusted/turns.ts';
import { inUtf8 } from './body-text.ts';
import {
  NamedComputers,
  type Steps,
  type Unusable,
  type WebhookComputer,
  wrongMember,
} from './named-computers.ts';
import { createWebhookDocumentReader, jsonDocument, type WebhookDocument } from './webhook-document.ts';
import { type ComputerSource, canonicalEventName, computerSource } from './webhook-events.ts';
import {
  type FieldError,
  isAbsent,
  readBoolean,
  readComputerId,
  readEpochMs,
  readText,
} from './wire-values.ts';

/** Longest event or webhook name kept; both are free text of the sender and reach logs. */
const nameMaxChars = 255;

/** A webhook in Espalier's words. */
export interface JamfWebhook {
  /** The canonical name of domain/jamf.md 3.2, or the sender's own word when `known` is false; empty without one. */
  readonly event: string;
  readonly known: boolean;
  readonly webhookId: string | undefined;
  readonly webhookName: string | undefined;
  /** Time at which Jamf made the event; servers before 10.12 do not say. */
  readonly eventAt: Date | undefined;
  readonly computers: readonly WebhookComputer[];
  /** `computer`: exactly one has to be read again; `computers`: one or more; `none`: nothing changes here. */
  readonly effect: 'computer' | 'computers' | 'none';
  /** The elements of the event that could not be used. */
  readonly ignored: Unusable;
}

export type WebhookResult =
  | { readonly ok: true; readonly webhook: JamfWebhook }
  | {
      readonly ok: false;
      readonly errors: readonly FieldError[];
      readonly count: number;
      /** It holds more than is read, or is nested too deep. */
      readonly isTooLarge?: true | undefined;
    };

/** An event is relevant where it is about computers at all; their ids are in `NamedComputers`. */
type Relevance = 'relevant' | 'irrelevant';

/**
 * Reads one webhook of a Jamf Pro server of any age, JSON or XML (domain/jamf.md 3.3 and 3.4), while it arrives and in
 * turns with others. Jamf Pro sends an event once: whatever of it names a computer is used, what cannot be used is told
 * in `ignored`, and only an event of which nothing can be used is refused. Members that only inform (`eventTimestamp`,
 * `webhook.id`) are left out when they are wrong. Throws only what the body's source throws.
 */
export async function readWebhook(
  chunks: AsyncIterable<Uint8Array>,
  contentType: string | undefined,
  work: Work,
): Promise<WebhookResult> {
  const reader = createWebhookDocumentReader(contentType);
  for await (const chunk of inUtf8(chunks)) {
    for (let from = 0; from < chunk.length && !reader.isSettled(); from += pieceBytes) {
      await work.turn();
      await inTurns(reader.push(chunk.subarray(from, from + pieceBytes)), work);
    }
    if (reader.isSettled()) break;
  }
  await inTurns(reader.end(), work);
  return inTurns(webhookOf(reader.document()), work);
}

/** This many bytes are read between two checks of the clock: it takes some tenths of a millisecond. */
const pieceBytes = 16_384;

/** Spaces and control characters, as when it is read in pieces; no-break spaces and the like belong to no document. */
const spacesBefore = /^[^!-\uffff]+/;

/** The same for a small body that is there as a whole, at once. */
export function parseWebhook(body: string, contentType: string | undefined): WebhookResult {
  const text = (body.startsWith('\uFEFF') ? body.slice(1) : body).replace(spacesBefore, '');
  const document = text.startsWith('{') ? jsonDocument(text) : textDocument(text, contentType);
  return atOnce(webhookOf(document));
}

function textDocument(text: string, contentType: string | undefined): WebhookDocument {
  const reader = createWebhookDocumentReader(contentType);
  atOnce(reader.push(new TextEncoder().encode(text)));
  atOnce(reader.end());
  return reader.document();
}

async function inTurns<T>(steps: Generator<void, T>, work: Work): Promise<T> {
  for (;;) {
    const step = steps.next();
    const isOver = work.isOver();
    if (step.done) return step.value;
    if (isOver) await work.turn();
  }
}

function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

function* webhookOf(read: WebhookDocument): Generator<void, WebhookResult> {
  if (!read.ok) {
    const { description, isTooLarge } = read;
    return { ok: false, count: 1, errors: [{ code: 'MALFORMED', field: '', description }], isTooLarge };
  }
  const { event: payload, webhook: header } = read.document;
  const envelope = isRecord(header) ? header : {};
  const name = readText(envelope.webhookEvent)?.slice(0, nameMaxChars);
  const event = name === undefined ? undefined : canonicalEventName(name);
  const named = new NamedComputers();
  const source = sourceOf(name, event, payload);
  if (name === undefined) {
    named.unusable(
      isRecord(header)
        ? wrongMember('webhook.webhookEvent', envelope.webhookEvent, 'the name of an event')
        : wrongMember('webhook', header, 'an object'),
    );
  }
  const relevance = source === undefined ? 'relevant' : yield* takeComputers(source, payload, named);
  const ignored = named.rest();
  if (named.count() > computersPerWebhook) {
    const description = `An event may name ${computersPerWebhook} computers at most.`;
    return {
      ok: false,
      count: 1,
      errors: [{ code: 'INVALID', field: 'event', description }],
      isTooLarge: true,
    };
  }
  if (relevance === 'relevant' && named.count() === 0 && ignored.count > 0) {
    return { ok: false, errors: ignored.listed, count: ignored.count };
  }
  const computers = relevance === 'relevant' ? named.computers() : [];
  const webhook: JamfWebhook = {
    event: event ?? name ?? '',
    known: event !== undefined,
    webhookId: readComputerId(envelope.id),
    webhookName: readText(envelope.name)?.slice(0, nameMaxChars),
    eventAt: readEpochMs(envelope.eventTimestamp),
    computers,
    effect: computers.length === 0 ? 'none' : source === 'membership' ? 'computers' : 'computer',
    ignored,
  };
  return { ok: true, webhook };
}

/**
 * Place in which the event names computers; its form decides when its name is missing, for a header is not what counts.
 */
function sourceOf(
  name: string | undefined,
  event: ReturnType<typeof canonicalEventName>,
  payload: unknown,
): ComputerSource | undefined {
  if (event !== undefined) return computerSource(event);
  if (name !== undefined) return 'nothing';
  if (!isRecord(payload)) return undefined;
  if (membershipLists.some(({ ids, devices }) => ids in payload || devices in payload)) return 'membership';
  if (!isAbsent(payload.objectTypeName)) return 'rest-operation';
  const isMobile = ['wifiMacAddress', 'modelDisplay', 'imei'].some((member) => member in payload);
  return isRecord(payload.computer) || (!isMobile && !isAbsent(payload.jssID)) ? 'computer' : undefined;
}

function* takeComputers(
  source: ComputerSource,
  payload: unknown,
  named: NamedComputers,
): Generator<void, Relevance> {
  if (source === 'nothing') return 'irrelevant';
  if (source === 'computer' && Array.isArray(payload)) {
    yield* named.take(payload, 'event', 'computer');
    return 'relevant';
  }
  if (!isRecord(payload)) {
    named.unusable(wrongMember('event', payload, 'an object'));
    return 'relevant';
  }
  if (source === 'membership') return yield* takeMembership(payload, named);
  if (source === 'rest-operation') return yield* takeRestOperation(payload, named);
  yield* takeComputerObject(payload, named);
  requireComputer(named, 'event.jssID');
  return 'relevant';
}

/** The computer object, nested in `computer` by current servers and flat in `event` by old ones. */
function* takeComputerObject(event: Readonly<Record<string, unknown>>, named: NamedComputers): Steps {
  const { computer } = event;
  if (isAbsent(computer)) yield* named.take(event, 'event', 'computer');
  else if (typeof computer === 'object') yield* named.take(computer, 'event.computer', 'computer');
  else if (readComputerId(computer) === undefined) {
    named.unusable(wrongMember('event.computer', computer, 'an object'));
  } else yield* named.take(computer, 'event.computer', 'ids');
  const isFlatToo = !isAbsent(computer) && !(isAbsent(event.jssID) && isAbsent(event.jssid));
  if (named.count() === 0 && isFlatToo) {
    yield* named.take({ ...event, computer: undefined }, 'event', 'computer');
  }
}

/** An event about one computer that names none, nor holds anything that could be told of, lacks its id. */
function requireComputer(named: NamedComputers, field: string): void {
  if (named.count() === 0 && named.rest().count === 0) named.unusable(wrongMember(field, undefined, 'an id'));
}

/** Ids of the computers that came and went, and the same computers with display fields where those are switched on. */
const membershipLists = [
  { ids: 'groupAddedDevicesIds', devices: 'groupAddedDevices' },
  { ids: 'groupRemovedDevicesIds', devices: 'groupRemovedDevices' },
] as const;

function* takeMembership(
  event: Readonly<Record<string, unknown>>,
  named: NamedComputers,
): Generator<void, Relevance> {
  if (!isAbsent(event.computer)) {
    const isComputerGroup = readBoolean(event.computer);
    if (isComputerGroup === false) return 'irrelevant';
    if (isComputerGroup === undefined) {
      named.unusable(wrongMember('event.computer', event.computer, 'a boolean'));
    }
  }
  // XML leaves an empty list out, so some may be absent; all of them absent means that this is no group event.
  const isEmpty = (name: string): boolean => event[name] === undefined || event[name] === null;
  if (membershipLists.every(({ ids, devices }) => isEmpty(ids) && isEmpty(devices))) {
    for (const { ids } of membershipLists) named.unusable(wrongMember(`event.${ids}`, undefined, ''));
  }
  for (const { ids, devices } of membershipLists) {
    const before = named.count();
    const unusable = named.rest().count;
    yield* named.take(event[ids], `event.${ids}`, 'ids');
    const shown = event[devices];
    // Display fields need not hold the id: where the list of ids is as long, they name nobody else.
    const listed = named.rest().count === unusable ? lengthOf(event[ids]) : 0;
    if (lengthOf(shown) <= Math.max(listed, named.count() - before)) continue;
    yield* named.take(shown, `event.${devices}`, 'devices');
  }
  return 'relevant';
}

/** Elements of a list; in XML it stands in an element of its own. */
function lengthOf(list: unknown): number {
  if (Array.isArray(list)) return list.length;
  if (!isRecord(list)) return isAbsent(list) ? 0 : 1;
  const [only, ...others] = Object.values(list);
  return others.length === 0 && typeof only === 'object' ? lengthOf(only) : 1;
}

function* takeRestOperation(
  event: Readonly<Record<string, unknown>>,
  named: NamedComputers,
): Generator<void, Relevance> {
  const type = readText(event.objectTypeName);
  if (type === undefined) {
    named.unusable(wrongMember('event.objectTypeName', event.objectTypeName, 'text'));
    return 'relevant';
  }
  if (!/^computers?$/i.test(type) || readBoolean(event.operationSuccessful) === false) return 'irrelevant';
  // A read changes nothing, and the gateway's own reads must not make it read again for ever.
  if (['GET', 'READ'].includes(readText(event.restAPIOperationType)?.toUpperCase() ?? ''))
    return 'irrelevant';
  yield* named.take(event.objectID, 'event.objectID', 'ids');
  requireComputer(named, 'event.objectID');
  return 'relevant';
}
