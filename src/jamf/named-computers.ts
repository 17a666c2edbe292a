/**
 * Collects the computers that a webhook names. Jamf Pro sends each event once, so every id that can be read is used and
 * the rest is told: a list may come as array, as one text, as a single id, or as objects that hold an id somewhere.
 */

import { computersPerWebhook } from '../limits.ts';
import { isRecord } from '../untrusted/bounded-json.ts';
import { type FieldError, isAbsent, readComputerId, readText } from './wire-values.ts';

export interface WebhookComputer {
  readonly jamfComputerId: string;
  readonly udid?: string;
  readonly serialNumber?: string;
}

/** Elements of one webhook that could not be used. */
export interface Unusable {
  readonly count: number;
  /** The first of them: a list of bad ids must not become a longer answer. */
  readonly listed: readonly FieldError[];
}

/** Unusable elements that are told one by one. */
const listedMax = 20;
/** Characters of a member's name in the path that is told: the sender must not decide how long an answer is. */
const maxNameCharacters = 64;
/** Nesting of lists and wrappers in which an id is looked for; Jamf's own have three. */
const depthMax = 8;
const anId = 'a positive integer up to 2147483647';

/** Members that hold a computer's id, by their letters in lower case; the first one that can be read counts. */
const idMembers = [
  'jssid',
  'jsscomputerid',
  'jamfid',
  'jamfproid',
  'jamfcomputerid',
  'jamfprocomputerid',
  'id',
  'computerid',
  'deviceid',
  'ids',
  'computerids',
  'deviceids',
] as const;
/** Members around a computer's object. */
const wrappers = new Set(['computer', 'computers', 'device', 'devices', 'general', 'mac', 'item', 'items']);

const lettersOf = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, '');

const within = (path: string, member: string): string => `${path}.${member.slice(0, maxNameCharacters)}`;

export function wrongMember(field: string, value: unknown, expected: string): FieldError {
  return isAbsent(value)
    ? { code: 'REQUIRED', field, description: `${field} is missing.` }
    : { code: 'INVALID', field, description: `${field} must be ${expected}.` };
}

/**
 * The kinds of values that are looked through. `computer`: one computer's object, whose serial number and UDID are kept too. `ids`: a list of
 * ids, whatever surrounds them. `devices`: objects with display fields, where only a member for ids holds one.
 */
type Kind = 'computer' | 'ids' | 'devices';

interface Place {
  readonly path: string;
  readonly kind: Kind;
  readonly depth: number;
}

/** Work that can be left at each step: an event may name a hundred thousand computers. */
export type Steps = Generator<void, void, void>;
/** Elements between two steps. */
const stepElements = 256;
/** Members of one object among which an id is looked for; display fields are some dozens. */
const membersRead = 200;

export class NamedComputers {
  readonly #found = new Map<string, WebhookComputer>();
  readonly #listed: FieldError[] = [];
  #unusableCount = 0;

  /** Adds every computer that the value names; an error names the path of a part that names none. */
  *take(value: unknown, path: string, kind: Kind): Steps {
    if (!isAbsent(value)) yield* this.#walk(value, { path, kind, depth: 0 });
  }

  unusable(error: FieldError): void {
    this.#unusableCount += 1;
    if (this.#listed.length < listedMax) this.#listed.push(error);
  }

  /** Each computer once, in the order of the event. */
  computers(): readonly WebhookComputer[] {
    return [...this.#found.values()];
  }

  count(): number {
    return this.#found.size;
  }

  rest(): Unusable {
    return { count: this.#unusableCount, listed: this.#listed };
  }

  #wrong(path: string, value: unknown): void {
    this.#unusableCount += 1;
    if (this.#listed.length < listedMax) this.#listed.push(wrongMember(path, value, anId));
  }

  #takeId(id: string, holder: Readonly<Record<string, unknown>> | undefined): void {
    // One more shows that there are too many; ten megabytes of ids would take some hundred to hold.
    if (this.#found.size > computersPerWebhook) return;
    const udid = holder && readText(holder.udid);
    const serialNumber = holder && readText(holder.serialNumber);
    this.#found.set(id, {
      jamfComputerId: id,
      ...(udid === undefined ? {} : { udid }),
      ...(serialNumber === undefined ? {} : { serialNumber }),
    });
  }

  /** One id, or several in one text, as lists are written in XML and by `toString`. */
  *#takeScalar(value: unknown, path: string, holder?: Readonly<Record<string, unknown>>): Steps {
    const id = readComputerId(value);
    if (id !== undefined) this.#takeId(id, holder);
    else if (typeof value !== 'string' || isAbsent(value)) this.#wrong(path, value);
    else {
      let tokens = 0;
      for (const [token] of value.matchAll(/[^\s,;|[\](){}"']+/g)) {
        const one = readComputerId(token);
        if (one === undefined) this.#wrong(path, token);
        else this.#takeId(one, undefined);
        tokens += 1;
        if (tokens % stepElements === 0) yield;
      }
    }
  }

  *#takeWithin(object: Readonly<Record<string, unknown>>, { depth, kind, path }: Place): Steps {
    let inner = 0;
    for (const [member, value] of Object.entries(object)) {
      if (kind !== 'ids' && !isWrapper(member, value, object)) continue;
      inner += 1;
      if (inner % stepElements === 0) yield;
      yield* this.#walk(value, { path: within(path, member), kind, depth: depth + 1 });
    }
    // An empty list of XML is an empty object.
    if (inner > 0 || (kind === 'ids' && depth === 0)) return;
    if (kind === 'ids') this.#wrong(path, object);
    else this.#wrong(`${path}.jssID`, undefined);
  }

  *#takeObject(object: Readonly<Record<string, unknown>>, place: Place): Steps {
    const names = idNamesOf(object);
    const name = names.find((one) => holdsId(object[one])) ?? names[0];
    if (name === undefined) {
      yield* this.#takeWithin(object, place);
      return;
    }
    const { depth, kind } = place;
    const path = within(place.path, name);
    const value = object[name];
    if (typeof value === 'object' && value !== null)
      yield* this.#walk(value, { path, kind: 'ids', depth: depth + 1 });
    else yield* this.#takeScalar(value, path, kind === 'computer' ? object : undefined);
  }

  *#takeList(list: readonly unknown[], { depth, kind, path }: Place): Steps {
    for (const [at, item] of list.entries()) {
      if (at % stepElements === stepElements - 1) yield;
      // Plain ids are by far the most frequent elements.
      const id = readComputerId(item);
      if (id !== undefined) this.#takeId(id, undefined);
      else {
        yield;
        yield* this.#walk(item, { path: `${path}[${at}]`, kind, depth: depth + 1 });
      }
    }
  }

  *#walk(value: unknown, place: Place): Steps {
    if (place.depth > depthMax) this.#wrong(place.path, value);
    else if (Array.isArray(value)) yield* this.#takeList(value, place);
    else if (isRecord(value)) yield* this.#takeObject(value, place);
    else yield* this.#takeScalar(value, place.path);
  }
}

/** The object's members for ids, those that Jamf Pro writes first. */
function idNamesOf(object: Readonly<Record<string, unknown>>): readonly string[] {
  if (Object.hasOwn(object, 'jssID') && holdsId(object.jssID)) return ['jssID'];
  if (Object.hasOwn(object, 'id') && holdsId(object.id) && !Object.hasOwn(object, 'jssid')) return ['id'];
  const names = Object.keys(object).slice(0, membersRead);
  return idMembers.flatMap((wanted) => names.filter((name) => lettersOf(name) === wanted));
}

const holdsId = (value: unknown): boolean =>
  (typeof value === 'object' && value !== null) ||
  (typeof value === 'string' ? /\d/.test(value) : readComputerId(value) !== undefined);

const isWrapper = (member: string, value: unknown, object: Readonly<Record<string, unknown>>): boolean =>
  typeof value === 'object' && value !== null && (wrappers.has(lettersOf(member)) || isOnlyMember(object));

function isOnlyMember(object: Readonly<Record<string, unknown>>): boolean {
  let members = 0;
  for (const _ in object) if (++members > 1) return false;
  return true;
}
