import type { Fault } from '../../src/simulator/faults.ts';
import type { PoisonRefusal } from '../../src/simulator/microsoft/upload-poison.ts';
import { createRandom, type Random } from '../../src/simulator/random.ts';
import type { WorldTenantOptions } from '../../src/simulator/world.ts';
import type { StormOptions } from './options.ts';

/**
 * Everything that a storm does and when, as a function of its seed: what differs between two storms of one seed is
 * only what real time and real processes make of it. Times are milliseconds from the storm's begin.
 */
export interface Plan {
  readonly seed: number;
  readonly runtime: StormOptions['runtime'];
  readonly batch: number;
  /** False where no webhook is lost: then nothing but webhooks and pushes tells of a change. */
  readonly polls: boolean;
  readonly tenants: readonly WorldTenantOptions[];
  readonly crashes: readonly Crash[];
  readonly weather: readonly Spell[];
  readonly poison: readonly Poisoning[];
}

export type Crash =
  | {
      readonly kind: 'kill';
      readonly atMs: number;
      readonly gateways: readonly number[];
      readonly downMs: number;
    }
  | {
      /** The platform ends these Durable Objects, and begins each anew when it is called or its alarm is due. */
      readonly kind: 'abort';
      readonly atMs: number;
      readonly shards: readonly number[];
    }
  | {
      readonly kind: 'database';
      readonly atMs: number;
      readonly mode: 'fast' | 'immediate';
      readonly downMs: number;
    };

/** Bad weather at one service, over one tenant (by its number) or one instance. */
export interface Spell {
  readonly atMs: number;
  readonly forMs: number;
  readonly what: string;
  readonly tenant?: number;
  readonly fault: Omit<Fault, 'id' | 'tenant'>;
}

/** From then on the devices poison every message that carries them, until they are cured. */
export interface Poisoning {
  readonly atMs: number;
  readonly curedAtMs: number;
  readonly tenant: number;
  /** Places in the list of the tenant's devices, 0 to 1. */
  readonly places: readonly number[];
  readonly refusal: PoisonRefusal;
}

const between = (random: Random, low: number, high: number): number => low + random.next() * (high - low);

type Weather = readonly [weight: number, what: string, fault: (random: Random) => Spell['fault']];

const html = { contentType: 'text/html', body: '<html><body>Down for maintenance</body></html>' };
const put = { service: 'intune', path: 'DataUploadMessages' } as const;
const retryAfter = (random: Random) => ({ 'retry-after': String(random.integer(1, 3)) });

const overIntune: readonly Weather[] = [
  [
    3,
    '429',
    (r) => ({ service: 'intune', status: 429, headers: retryAfter(r), share: between(r, 0.2, 0.8) }),
  ],
  [2, '500', (r) => ({ ...put, status: 500, share: between(r, 0.2, 1) })],
  [2, '503', (r) => ({ service: 'intune', status: 503, headers: retryAfter(r), share: between(r, 0.2, 1) })],
  [2, 'reset before', (r) => ({ ...put, reset: 'before', share: between(r, 0.2, 1) })],
  [3, 'reset after', (r) => ({ ...put, reset: 'after', share: between(r, 0.2, 0.8) })],
  [2, 'slow', (r) => ({ ...put, delayMs: r.integer(300, 3000), share: between(r, 0.2, 1) })],
  // Longer than the gateway waits, and long past the end of the spell.
  [1, 'hanging', () => ({ service: 'intune', delayMs: 20_000 })],
  [1, 'garbage', (r) => ({ ...put, status: 200, ...html, share: between(r, 0.2, 1) })],
  [1, '502 HTML', (r) => ({ service: 'intune', status: 502, ...html, share: between(r, 0.2, 1) })],
];

const overJamf: readonly Weather[] = [
  [2, '503 HTML', (r) => ({ service: 'jamf', status: 503, ...html, share: between(r, 0.3, 1) })],
  [1, '429', (r) => ({ service: 'jamf', status: 429, headers: retryAfter(r), share: between(r, 0.2, 0.8) })],
  [
    1,
    '503 Retry-After',
    (r) => ({ service: 'jamf', status: 503, headers: retryAfter(r), share: between(r, 0.3, 1) }),
  ],
  // Few: an instance is asked five things at a time, and each of these holds one up for as long as it takes.
  [1, 'hanging', (r) => ({ service: 'jamf', delayMs: 15_000, share: between(r, 0.02, 0.1) })],
  [2, 'reset', (r) => ({ service: 'jamf', reset: r.pick(['before', 'after']), share: between(r, 0.2, 0.8) })],
  [2, 'shedding', (r) => ({ service: 'jamf', status: 503, share: between(r, 0.3, 0.7) })],
];

const overEntra: readonly Weather[] = [
  [1, '503', () => ({ service: 'entra', path: 'token', status: 503, ...html })],
  [1, 'reset', () => ({ service: 'entra', path: 'token', reset: 'before' })],
];

const overGraph: readonly Weather[] = [
  [1, '503', (r) => ({ service: 'graph', status: 503, headers: retryAfter(r) })],
  [1, '429', (r) => ({ service: 'graph', status: 429, headers: retryAfter(r), share: 0.7 })],
  [1, 'reset', () => ({ service: 'graph', reset: 'after' })],
];

interface Climate {
  readonly kinds: readonly Weather[];
  readonly calmMs: readonly [number, number];
  readonly badMs: readonly [number, number];
}

/** One spell after the other with calm between them. */
function spellsOf(random: Random, lengthMs: number, climate: Climate): Omit<Spell, 'tenant'>[] {
  const { badMs, calmMs, kinds } = climate;
  const weighted = kinds.flatMap((kind) => Array.from({ length: kind[0] }, () => kind));
  const spells: Omit<Spell, 'tenant'>[] = [];
  let atMs = between(random, 0, calmMs[1]);
  while (atMs < lengthMs) {
    const forMs = between(random, ...badMs);
    const [, what, fault] = random.pick(weighted);
    spells.push({ atMs, forMs: Math.min(forMs, lengthMs - atMs), what, fault: fault(random) });
    atMs += forMs + between(random, ...calmMs);
  }
  return spells;
}

function planWeather(random: Random, lengthMs: number, tenants: readonly WorldTenantOptions[]): Spell[] {
  const spells: Spell[] = [];
  for (const [tenant, { instances }] of tenants.entries()) {
    const intune = spellsOf(random, lengthMs, {
      kinds: overIntune,
      calmMs: [1000, 6000],
      badMs: [2000, 8000],
    });
    spells.push(...intune.map((spell) => ({ ...spell, tenant })));
    for (const { name } of instances) {
      const jamf = spellsOf(random, lengthMs, {
        kinds: overJamf,
        calmMs: [8000, 25_000],
        badMs: [2000, 6000],
      });
      spells.push(...jamf.map((spell) => ({ ...spell, fault: { ...spell.fault, service: `jamf:${name}` } })));
    }
  }
  const rare = { calmMs: [10_000, 30_000], badMs: [1500, 5000] } as const;
  spells.push(...spellsOf(random, lengthMs, { kinds: overEntra, ...rare }));
  spells.push(...spellsOf(random, lengthMs, { kinds: overGraph, ...rare }));
  return spells.sort((a, b) => a.atMs - b.atMs);
}

function planPoison(random: Random, lengthMs: number, tenants: number): Poisoning[] {
  const refusals = ['http-400', 'in-body', 'http-500'] as const;
  // Every tenant and every way of refusing, at any time of the first two thirds.
  return Array.from({ length: tenants }, (_, tenant) =>
    refusals.map((refusal): Poisoning => {
      const atMs = between(random, 0, (lengthMs * 2) / 3);
      const early = random.next() < 0.4;
      return {
        atMs,
        curedAtMs: early ? between(random, atMs, lengthMs) : Number.POSITIVE_INFINITY,
        tenant,
        places: Array.from({ length: random.integer(1, 3) }, () => random.next()),
        refusal,
      };
    }),
  )
    .flat()
    .sort((a, b) => a.atMs - b.atMs);
}

type Card = 'kill' | 'both' | 'immediate' | 'fast' | 'abort' | 'abort all';

interface Deck {
  readonly gateways: number;
  /** It is shuffled anew when it is used up: also a short storm has a bit of everything. */
  readonly cards: readonly Card[];
  readonly gapMs: readonly [number, number];
}

const decks: Readonly<Record<Plan['runtime'], Deck>> = {
  // A gateway takes some seconds to come back: mostly there has to be one that can be killed.
  node: { gateways: 2, cards: ['kill', 'immediate', 'kill', 'kill', 'fast', 'both'], gapMs: [6000, 16_000] },
  // There is one of them, and what an object had in work is taken up again only when its leases have run out, after 12 s:
  // it is better ended while it does something.
  workers: {
    gateways: 1,
    cards: [
      'abort',
      'kill',
      'abort',
      'abort all',
      'immediate',
      'abort',
      'fast',
      'kill',
      'abort',
      'abort all',
    ],
    gapMs: [6000, 16_000],
  },
};

/** Durable Objects that deliver, which share the tenants. */
export const shards = 3;

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

function planCrashes(random: Random, lengthMs: number, deck: Deck): Crash[] {
  const crashes: Crash[] = [];
  let cards: Card[] = [];
  let atMs = between(random, 2000, 8000);
  while (atMs < lengthMs) {
    if (cards.length === 0) cards = shuffled(random, deck.cards);
    const card = cards.pop()!;
    const downMs = between(random, 200, 3000);
    if (card === 'fast' || card === 'immediate') crashes.push({ kind: 'database', atMs, mode: card, downMs });
    else if (card === 'abort') {
      for (let times = random.integer(1, 4); times > 0; times -= 1) {
        crashes.push({ kind: 'abort', atMs, shards: [random.integer(0, shards - 1)] });
        atMs += between(random, 50, 1000);
      }
    } else if (card === 'abort all') {
      crashes.push({ kind: 'abort', atMs, shards: Array.from({ length: shards }, (_, shard) => shard) });
    } else {
      const gateways = card === 'both' ? [0, 1] : [random.integer(0, deck.gateways - 1)];
      crashes.push({ kind: 'kill', atMs, gateways, downMs });
    }
    atMs += between(random, ...deck.gapMs);
  }
  return crashes;
}

/** Three tenants with five instances, which differ as real ones do. */
function planTenants(macs: number): WorldTenantOptions[] {
  const share = (index: number): number =>
    Math.floor(((index + 1) * macs) / 5) - Math.floor((index * macs) / 5);
  return [
    {
      displayName: 'Contoso',
      instances: [
        { name: 'berlin', macs: share(0) },
        { name: 'paris', macs: share(1), version: '11.25.0-t1700000000000' },
      ],
    },
    {
      displayName: 'Fabrikam',
      instances: [
        { name: 'oslo', macs: share(2), contextPath: '/jss' },
        { name: 'rome', macs: share(3) },
      ],
    },
    { displayName: 'Tailspin', instances: [{ name: 'tokyo', macs: share(4), tokenLifetimeSeconds: 20 }] },
  ];
}

export function makePlan(
  options: Pick<StormOptions, 'seed' | 'seconds' | 'macs' | 'batch' | 'lost' | 'runtime'>,
): Plan {
  const { runtime, seed, seconds } = options;
  const random = createRandom(seed);
  const lengthMs = seconds * 1000;
  const tenants = planTenants(options.macs);
  return {
    seed,
    runtime,
    // Neighbouring seeds differ in it: ten in a row have both.
    batch: options.batch ?? (seed % 2 === 0 ? 20 : 1),
    polls: options.lost > 0,
    tenants,
    crashes: planCrashes(random, lengthMs, decks[runtime]),
    weather: planWeather(random, lengthMs, tenants),
    poison: planPoison(random, lengthMs, tenants.length),
  };
}
