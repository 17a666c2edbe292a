/**
 * One small fault that somebody could put into the product, and who notices it. The suites are only worth what they
 * see: each of these has to make the test that is named here fail (docs/testing.md).
 */
export interface Mutation {
  /** Its name in the table, unique. */
  readonly name: string;
  readonly kind: Kind;
  /** Below the root of the project. */
  readonly file: string;
  /** Text that is in the file exactly once; how lines are broken and indented does not count. */
  readonly found: string;
  readonly replacement: string;
  readonly noticedBy: Watcher;
}

/**
 * - `lose`: something that was accepted is forgotten.
 * - `reorder`: something older counts, or is told, after something newer.
 * - `double`: something is done or said twice.
 * - `skip`: one row of a batch is left out.
 * - `unleased`: a row is settled, or a message sent, by whoever does not hold its lease.
 * - `tenant`: one tenant's data serves, or is changed by, another one.
 * - `secret`: a key or a token goes where it must not go, or counts where it must not count.
 */
export const kinds = ['lose', 'reorder', 'double', 'skip', 'unleased', 'tenant', 'secret'] as const;
export type Kind = (typeof kinds)[number];

/** What is run to see whether a mutation is noticed. */
export type Watcher =
  | {
      readonly run: 'test';
      /** A test file below the root. */
      readonly file: string;
      /** Only tests whose full name matches, as `vitest -t` takes it; default: all of the file. */
      readonly named?: string;
    }
  | {
      /** A simulation (docs/testing.md) with so many seeds from this one on. */
      readonly run: 'simulation';
      readonly of: 'computers' | 'delivery';
      readonly seed: number;
      readonly seeds: number;
    }
  | {
      readonly run: 'storm';
      readonly args: readonly string[];
    };

/** Every test of a file, or those with this in their name. */
export const test = (file: string, named?: string): Watcher => ({
  run: 'test',
  file,
  ...(named === undefined ? {} : { named }),
});
export const simulation = (of: 'computers' | 'delivery', seed: number, seeds: number): Watcher => ({
  run: 'simulation',
  of,
  seed,
  seeds,
});
/** The smallest storm in which nothing is lost on its way and nothing is polled. */
export const storm = (seed: number): Watcher => ({
  run: 'storm',
  args: ['--seed', `${seed}`, '--seconds', '25', '--macs', '50', '--rate', '4', '--lost', '0'],
});

/** The same with both Workers in place of the two processes. */
export const workersStorm = (seed: number): Watcher => ({
  run: 'storm',
  args: ['--workers', '--seed', `${seed}`, '--seconds', '25', '--macs', '50', '--rate', '4'],
});

/** As a person would type it. */
export function commandOf(watcher: Watcher): string {
  switch (watcher.run) {
    case 'test':
      return `${watcher.file}${watcher.named === undefined ? '' : ` -t '${watcher.named}'`}`;
    case 'simulation':
      return `simulation of ${watcher.of}, seeds ${watcher.seed} to ${watcher.seed + watcher.seeds - 1}`;
    case 'storm':
      return `storm, ${watcher.args.join(' ')}`;
  }
}

/** Mutations of one kind. */
export const ofKind = (kind: Kind, mutations: readonly Omit<Mutation, 'kind'>[]): readonly Mutation[] =>
  mutations.map((mutation) => ({ ...mutation, kind }));
