import { readGuid } from '../src/routing/guid-words.ts';
import { preloadRoutes } from '../src/routing/preload.ts';
import { RouteTable, routeKey } from '../src/routing/route-table.ts';
import { openDatabase } from '../src/store/database.ts';
import { fillKey, fillTable, instances, instanceWords } from './route-fill.ts';
import { residentMegabytes } from './usage.ts';
import { answerQuestions } from './worker.ts';

/** A process of its own for each table, so that its memory is told and nothing of another one is in it. */

export type RouteQuestion =
  /** Reads all routes of a database into a new table. */
  | { readonly kind: 'preload'; readonly databaseUrl: string; readonly entries: number }
  /** The same bytes, looked at by nobody. */
  | { readonly kind: 'copy'; readonly databaseUrl: string; readonly query: string }
  /** Makes routes, and looks random ones up. */
  | { readonly kind: 'table' | 'map'; readonly entries: number; readonly lookUps: number };

export interface RouteAnswer {
  readonly seconds: number;
  readonly routes: number;
  /** Of the process at the end, and before it had any route. */
  readonly megabytes: number;
  readonly emptyMegabytes: number;
  /** Nanoseconds of a look-up that finds something: from words, and from the text of two GUIDs. */
  readonly lookUpNanos: number;
  readonly fromTextNanos: number;
}

/** Looked up again and again: far more than a processor's caches hold. */
const askedKeys = 1_000_000;

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
const guid = (words: Int32Array, at: number): string => {
  const digits = [0, 1, 2, 3].map((word) => hex(words[at + word] ?? 0)).join('');
  const cut = [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20)];
  return [...cut, digits.slice(20)].join('-');
};

interface Asked {
  readonly words: Int32Array;
  readonly texts: readonly string[];
}

/** Random ones of all, as words and as texts. */
function askedOf(entries: number, wanted: number): Asked {
  const words = new Int32Array(wanted * 8);
  const texts: string[] = [];
  for (let at = 0; at < wanted; at += 1) {
    fillKey(words, at * 8, Math.floor(Math.random() * entries));
    // Flat copies: a text that was put together is a rope until it is first read.
    texts.push(Buffer.from(`${guid(words, at * 8)}${guid(words, at * 8 + 4)}`, 'latin1').toString('latin1'));
  }
  return { words, texts };
}

/** Nanoseconds of each call; the first tenth warms up. */
function timeEach(times: number, one: (at: number) => number): number {
  let sum = 0;
  const warmUp = Math.floor(times / 10);
  for (let at = 0; at < warmUp; at += 1) sum += one(at);
  const started = process.hrtime.bigint();
  for (let at = 0; at < times; at += 1) sum += one(at);
  const nanos = Number(process.hrtime.bigint() - started);
  if (sum === 0) throw new Error('nothing was found');
  return nanos / times;
}

const asked = (at: number): number => at % askedKeys;
const guidCharacters = 36;

function lookUpsIn(table: RouteTable, { texts, words }: Asked, times: number) {
  const key = routeKey();
  const count = texts.length;
  const found = (): number => {
    const target = table.get(key);
    if (target === undefined) throw new Error('a route is missing');
    return target.jamfComputerId;
  };
  return {
    lookUpNanos: timeEach(times, (at) => {
      const from = (asked(at) % count) * 8;
      for (let word = 0; word < 8; word += 1) key[word] = words[from + word] ?? 0;
      return found();
    }),
    fromTextNanos: timeEach(times, (at) => {
      const text = texts[asked(at) % count] ?? '';
      readGuid(text.slice(0, guidCharacters), key, 0);
      readGuid(text.slice(guidCharacters), key, 4);
      return found();
    }),
  };
}

/** What everybody would write first: one string as the key, one object for each route. */
function fillMap(entries: number): Map<string, { instanceId: string; jamfComputerId: number }> {
  const map = new Map<string, { instanceId: string; jamfComputerId: number }>();
  const [key, instance] = [routeKey(), new Int32Array(4)];
  const ids = Array.from({ length: instances }, (_, index) => {
    instanceWords(index, instance);
    return guid(instance, 0);
  });
  for (let index = 0; index < entries; index += 1) {
    fillKey(key, 0, index);
    const text = Buffer.from(`${guid(key, 0)}${guid(key, 4)}`, 'latin1').toString('latin1');
    map.set(text, { instanceId: ids[index % instances] ?? '', jamfComputerId: index + 1 });
  }
  return map;
}

const megabytes = (): number => residentMegabytes(process.pid) ?? Number.NaN;
const noLookUps = { lookUpNanos: Number.NaN, fromTextNanos: Number.NaN };

async function preload(databaseUrl: string, entries: number): Promise<RouteAnswer> {
  const emptyMegabytes = megabytes();
  const sql = openDatabase(databaseUrl, { connections: 1, applicationName: 'bench-preload' });
  await sql`select 1`;
  const started = performance.now();
  const table = new RouteTable({ entries });
  table.reserve(entries);
  const routes = await preloadRoutes(sql, (...route) => table.put(...route));
  const seconds = (performance.now() - started) / 1_000;
  await sql.end({ timeout: 2 });
  if (table.size !== routes) throw new Error(`${table.size} of ${routes} routes are in the table`);
  return { ...noLookUps, seconds, routes, megabytes: megabytes(), emptyMegabytes };
}

async function copy(databaseUrl: string, query: string): Promise<RouteAnswer> {
  const emptyMegabytes = megabytes();
  const sql = openDatabase(databaseUrl, { connections: 1, applicationName: 'bench-copy' });
  await sql`select 1`;
  const started = performance.now();
  const stream = await sql.unsafe(query).readable();
  let bytes = 0;
  for await (const chunk of stream) bytes += (chunk as Uint8Array).byteLength;
  const seconds = (performance.now() - started) / 1_000;
  await sql.end({ timeout: 2 });
  if (bytes === 0) throw new Error('nothing was copied');
  return { ...noLookUps, seconds, routes: 0, megabytes: megabytes(), emptyMegabytes };
}

function fill(kind: 'table' | 'map', entries: number, lookUps: number): RouteAnswer {
  const emptyMegabytes = megabytes();
  const started = performance.now();
  const filled = kind === 'table' ? fillTable(entries) : fillMap(entries);
  const seconds = (performance.now() - started) / 1_000;
  const full = megabytes();
  const keys = askedOf(entries, Math.min(entries, askedKeys));
  const found = filled instanceof Map ? mapLookUps(filled, keys, lookUps) : lookUpsIn(filled, keys, lookUps);
  return { ...found, seconds, routes: filled.size, megabytes: full, emptyMegabytes };
}

function mapLookUps(map: ReturnType<typeof fillMap>, { texts }: Asked, times: number) {
  const count = texts.length;
  // Put together anew, as a call's path gives them: the Map has to hash it.
  const fromTextNanos = timeEach(times, (at) => {
    const text = texts[asked(at) % count] ?? '';
    const target = map.get(text.slice(0, guidCharacters) + text.slice(guidCharacters));
    if (target === undefined) throw new Error('a route is missing');
    return target.jamfComputerId;
  });
  return { lookUpNanos: Number.NaN, fromTextNanos };
}

answerQuestions(async (question: RouteQuestion): Promise<RouteAnswer> => {
  switch (question.kind) {
    case 'preload':
      return preload(question.databaseUrl, question.entries);
    case 'copy':
      return copy(question.databaseUrl, question.query);
    case 'table':
    case 'map':
      return fill(question.kind, question.entries, question.lookUps);
  }
});
