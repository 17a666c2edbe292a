import { readWebhookDocument } from './webhook-document.ts';
import { canonicalEventName, computerSource, type JamfEventName } from './webhook-events.ts';
import {
  type FieldError,
  isAbsent,
  isRecord,
  readBoolean,
  readComputerId,
  readEpochMs,
  readText,
} from './wire-values.ts';

/** Longest event or webhook name kept; both are free text of the sender and reach logs. */
const nameMaxChars = 255;
/** Errors told of one webhook: a list of bad ids must not become a longer answer. */
const errorsMax = 20;

export interface WebhookComputer {
  readonly jamfComputerId: string;
  readonly udid?: string;
  readonly serialNumber?: string;
}

/** A webhook in Espalier's words. */
export interface JamfWebhook {
  /** The canonical name of domain/jamf.md 3.2, or the sender's own word when `known` is false. */
  readonly event: string;
  readonly known: boolean;
  readonly webhookId: string | undefined;
  readonly webhookName: string | undefined;
  /** When Jamf made the event; servers before 10.12 do not say. */
  readonly eventAt: Date | undefined;
  readonly computers: readonly WebhookComputer[];
  /** `computer`: exactly one has to be read again; `computers`: one or more; `none`: nothing changes here. */
  readonly effect: 'computer' | 'computers' | 'none';
}

export type WebhookResult =
  | { readonly ok: true; readonly webhook: JamfWebhook }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

type Computers =
  | {
      readonly ok: true;
      readonly effect: JamfWebhook['effect'];
      readonly computers: readonly WebhookComputer[];
    }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

const nothing: Computers = { ok: true, effect: 'none', computers: [] };

/**
 * Reads one webhook of a Jamf Pro server of any age, JSON or XML (domain/jamf.md 3.3 and 3.4). Never throws; members
 * that only inform (`eventTimestamp`, `webhook.id`) are left out when they are wrong, so that no event is lost for
 * them.
 */
export function parseWebhook(body: string, contentType: string | undefined): WebhookResult {
  const read = readWebhookDocument(body, contentType);
  if (!read.ok)
    return { ok: false, errors: [{ code: 'MALFORMED', field: '', description: read.description }] };
  const envelope = read.document.webhook;
  if (!isRecord(envelope)) return { ok: false, errors: [missing('webhook', envelope, 'an object')] };
  const name = readText(envelope.webhookEvent)?.slice(0, nameMaxChars);
  if (name === undefined) {
    return {
      ok: false,
      errors: [missing('webhook.webhookEvent', envelope.webhookEvent, 'the name of an event')],
    };
  }
  const event = canonicalEventName(name);
  const found = event === undefined ? nothing : computersOf(event, read.document.event);
  if (!found.ok) return found;
  const webhook: JamfWebhook = {
    event: event ?? name,
    known: event !== undefined,
    webhookId: readComputerId(envelope.id),
    webhookName: readText(envelope.name)?.slice(0, nameMaxChars),
    eventAt: readEpochMs(envelope.eventTimestamp),
    computers: found.computers,
    effect: found.effect,
  };
  return { ok: true, webhook };
}

function missing(field: string, value: unknown, expected: string): FieldError {
  return isAbsent(value)
    ? { code: 'REQUIRED', field, description: `${field} is missing.` }
    : { code: 'INVALID', field, description: `${field} must be ${expected}.` };
}

const anId = 'a positive integer up to 2147483647';

function computersOf(name: JamfEventName, event: unknown): Computers {
  const source = computerSource(name);
  if (source === 'nothing') return nothing;
  if (!isRecord(event)) return { ok: false, errors: [missing('event', event, 'an object')] };
  if (source === 'membership') return computersOfMembership(event);
  if (source === 'rest-operation') return computersOfRestOperation(event);
  return computerOfObject(event);
}

/** The computer object, nested in `computer` by current servers and flat in `event` by old ones. */
function computerOfObject(event: Readonly<Record<string, unknown>>): Computers {
  const nested = event.computer;
  if (!isAbsent(nested) && !isRecord(nested)) {
    return { ok: false, errors: [missing('event.computer', nested, 'an object')] };
  }
  const path = isRecord(nested) ? 'event.computer' : 'event';
  const computer = isRecord(nested) ? nested : event;
  // `jssID` in computer objects, `jssid` in group events: which one a server writes is a matter of its age.
  const id = isAbsent(computer.jssID) ? computer.jssid : computer.jssID;
  const jamfComputerId = readComputerId(id);
  if (jamfComputerId === undefined) return { ok: false, errors: [missing(`${path}.jssID`, id, anId)] };
  const udid = readText(computer.udid);
  const serialNumber = readText(computer.serialNumber);
  const found: WebhookComputer = {
    jamfComputerId,
    ...(udid === undefined ? {} : { udid }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
  };
  return { ok: true, effect: 'computer', computers: [found] };
}

function computersOfMembership(event: Readonly<Record<string, unknown>>): Computers {
  if (!isAbsent(event.computer)) {
    const isComputerGroup = readBoolean(event.computer);
    if (isComputerGroup === undefined) {
      return { ok: false, errors: [missing('event.computer', event.computer, 'a boolean')] };
    }
    if (!isComputerGroup) return nothing;
  }
  const fields = ['groupAddedDevicesIds', 'groupRemovedDevicesIds'] as const;
  // XML leaves an empty list out, so one of the two may be absent; both absent means that this is no group event.
  if (fields.every((field) => event[field] === undefined || event[field] === null)) {
    return { ok: false, errors: fields.map((field) => missing(`event.${field}`, undefined, '')) };
  }
  const ids = new Set<string>();
  const errors: FieldError[] = [];
  for (const field of fields) {
    for (const [position, value] of listOf(event[field]).entries()) {
      const id = readComputerId(value);
      if (id === undefined) errors.push(missing(`event.${field}[${position}]`, value, anId));
      else ids.add(id);
    }
  }
  if (errors.length > 0) return { ok: false, errors: errors.slice(0, errorsMax) };
  if (ids.size === 0) return nothing;
  return { ok: true, effect: 'computers', computers: [...ids].map((jamfComputerId) => ({ jamfComputerId })) };
}

/**
 * The items of a list: a JSON array, or what a list becomes in XML: one text, repeated elements, or an element around
 * items of any name.
 */
function listOf(value: unknown): readonly unknown[] {
  if (isAbsent(value)) return [];
  if (Array.isArray(value)) return value.flatMap((item: unknown) => (isRecord(item) ? listOf(item) : [item]));
  if (isRecord(value)) return Object.values(value).flatMap((item) => (Array.isArray(item) ? item : [item]));
  return [value];
}

function computersOfRestOperation(event: Readonly<Record<string, unknown>>): Computers {
  const type = readText(event.objectTypeName);
  if (type === undefined) {
    return { ok: false, errors: [missing('event.objectTypeName', event.objectTypeName, 'text')] };
  }
  if (type.toLowerCase() !== 'computer' || readBoolean(event.operationSuccessful) === false) return nothing;
  // A read changes nothing, and the gateway's own reads must not make it read again for ever.
  if (['GET', 'READ'].includes(readText(event.restAPIOperationType)?.toUpperCase() ?? '')) return nothing;
  const jamfComputerId = readComputerId(event.objectID);
  if (jamfComputerId === undefined) {
    return { ok: false, errors: [missing('event.objectID', event.objectID, anId)] };
  }
  return { ok: true, effect: 'computer', computers: [{ jamfComputerId }] };
}
