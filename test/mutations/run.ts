import { type Copy, createCopy } from './copy.ts';
import { commandOf, type Mutation, type Watcher } from './mutation.ts';
import { type Ran, runWatcher } from './watchers.ts';

/** Tries mutations one by one: first each watcher without any, for one that fails anyway notices nothing. */

export interface Verdict {
  readonly mutation: Mutation;
  /** `unsound`: its watcher fails without it, or ran no test. */
  readonly verdict: 'noticed' | 'UNNOTICED' | 'unsound';
  readonly seconds: number;
}

export interface RunOptions {
  readonly jobs: number;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

const shownLines = 30;
const tailOf = ({ output }: Ran): string => output.trimEnd().split('\n').slice(-shownLines).join('\n');

/** Hands the items out to as many workers as there are copies. */
async function shareOut<Item>(
  items: readonly Item[],
  copies: readonly Copy[],
  work: (item: Item, copy: Copy) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  await Promise.all(
    copies.map(async (copy) => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item, copy);
    }),
  );
}

async function findUnsound(
  watchers: ReadonlyMap<string, Watcher>,
  copies: readonly Copy[],
  { print, signal }: RunOptions,
): Promise<ReadonlySet<string>> {
  const unsound = new Set<string>();
  await shareOut([...watchers], copies, async ([command, watcher], { dir }) => {
    const ran = await runWatcher(watcher, dir, signal);
    print(`${ran.outcome.padEnd(9)}  without mutation  ${command} (${ran.seconds.toFixed(1)} s)`);
    if (ran.outcome === 'passed') return;
    unsound.add(command);
    print(tailOf(ran));
  });
  return unsound;
}

export async function runMutations(
  mutations: readonly Mutation[],
  options: RunOptions,
): Promise<readonly Verdict[]> {
  const { jobs, print, signal } = options;
  using stack = new DisposableStack();
  const copies = Array.from({ length: Math.min(jobs, mutations.length) }, () => createCopy(stack));
  const watchers = new Map(mutations.map(({ noticedBy }) => [commandOf(noticedBy), noticedBy]));
  const unsound = await findUnsound(watchers, copies, options);
  const verdicts = new Map<Mutation, Verdict>();
  await shareOut(mutations, copies, async (mutation, copy) => {
    if (unsound.has(commandOf(mutation.noticedBy))) {
      verdicts.set(mutation, { mutation, verdict: 'unsound', seconds: 0 });
      return;
    }
    copy.put(mutation);
    try {
      const ran = await runWatcher(mutation.noticedBy, copy.dir, signal);
      const verdict =
        ran.outcome === 'failed' ? 'noticed' : ran.outcome === 'passed' ? 'UNNOTICED' : 'unsound';
      verdicts.set(mutation, { mutation, verdict, seconds: ran.seconds });
      print(
        `${verdict.padEnd(9)}  ${mutation.kind.padEnd(8)}  ${mutation.name} (${ran.seconds.toFixed(1)} s)`,
      );
      if (verdict === 'unsound') print(tailOf(ran));
    } finally {
      copy.restore();
    }
  });
  return mutations.flatMap((mutation) => verdicts.get(mutation) ?? []);
}

/** One line a mutation. */
export function tableOf(verdicts: readonly Verdict[]): string {
  const rows = [
    ['mutation', 'kind', 'verdict', 'seconds', 'noticed by'],
    ...verdicts.map(({ mutation: { kind, name, noticedBy }, seconds, verdict }) => [
      name,
      kind,
      verdict,
      seconds.toFixed(1),
      commandOf(noticedBy),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
