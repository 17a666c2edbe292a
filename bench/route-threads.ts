import { once } from 'node:events';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

/**
 * A table of routes of one's own beside one that all threads share: `node bench/route-threads.ts 1000000`. The same words by
 * the same open addressing, once in memory of the reader and once in a `SharedArrayBuffer` that another thread writes, with
 * the two reads of a sequence number that tell a reader that no write fell into its look-up.
 */

const words = 8;
const load = 0.65;
const lookUps = 2_000_000;
const rounds = 5;

const hash = (number: number): number => {
  const mixed = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  return (Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35) ^ mixed) >>> 0;
};
const places = (routes: number): number => Math.ceil(routes / load);

function fill(table: Int32Array, routes: number): void {
  const all = table.length / words;
  for (let number = 1; number <= routes; number += 1) {
    let place = Math.floor((hash(number) * all) / 4_294_967_296);
    while (table[place * words] !== 0) place = place + 1 === all ? 0 : place + 1;
    for (let word = 0; word < words; word += 1) table[place * words + word] = number + word;
  }
}

function look(table: Int32Array, number: number): number {
  const all = table.length / words;
  let place = Math.floor((hash(number) * all) / 4_294_967_296);
  for (; ; place = place + 1 === all ? 0 : place + 1) {
    const at = place * words;
    if (table[at] === 0) return 0;
    if (table[at] === number && table[at + 1] === number + 1 && table[at + 2] === number + 2)
      return table[at + 6] ?? 0;
  }
}

function lookShared(table: Int32Array, sequence: Int32Array, number: number): number {
  for (;;) {
    const before = Atomics.load(sequence, 0);
    const found = look(table, number);
    if ((before & 1) === 0 && Atomics.load(sequence, 0) === before) return found;
  }
}

function time(routes: number, one: (number: number) => number): number {
  const times = Array.from({ length: rounds }, (_, round) => {
    const beganMs = process.cpuUsage().user / 1_000;
    let missed = 0;
    for (let count = 0; count < lookUps; count += 1)
      if (one(1 + ((Math.imul(count + round * lookUps, 0x9e3779b1) >>> 0) % routes)) === 0) missed += 1;
    if (missed > 0) throw new Error(`${missed} routes were not found`);
    return ((process.cpuUsage().user / 1_000 - beganMs) / lookUps) * 1e6;
  });
  return times.sort((a, b) => a - b)[rounds >> 1] ?? Number.NaN;
}

interface Shared {
  readonly table: Int32Array;
  readonly sequence: Int32Array;
  readonly routes: number;
}

if (isMainThread) {
  const routes = Number(process.argv[2] ?? 1_000_000);
  const own = new Int32Array(places(routes) * words);
  fill(own, routes);
  const ownNanos = time(routes, (number) => look(own, number));
  const shared: Shared = {
    routes,
    table: new Int32Array(new SharedArrayBuffer(own.byteLength)),
    sequence: new Int32Array(new SharedArrayBuffer(4)),
  };
  shared.table.set(own);
  const reader = new Worker(new URL(import.meta.url), { workerData: shared });
  const [sharedNanos] = (await once(reader, 'message')) as [number];
  process.stdout.write(
    `${routes} routes, ${(own.byteLength / routes).toFixed(1)} B a route: own ${ownNanos.toFixed(0)} ns, shared ${sharedNanos.toFixed(0)} ns a look-up\n`,
  );
} else {
  const { parentPort } = await import('node:worker_threads');
  const { routes, sequence, table } = workerData as Shared;
  parentPort?.postMessage(time(routes, (number) => lookShared(table, sequence, number)));
}
