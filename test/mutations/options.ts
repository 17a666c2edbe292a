import { parseArgs } from 'node:util';
import { type Kind, kinds, type Mutation } from './mutation.ts';

export interface MutationOptions {
  readonly only: readonly string[];
  readonly kind: Kind | undefined;
  /** Mutations that are tried at the same time, each in a copy of its own. */
  readonly jobs: number;
  readonly list: boolean;
}

export const usage = `npm run test:mutations -- [--only NAME]… [--kind KIND] [--jobs N] [--list]

  --only NAME  this mutation alone, or several
  --kind KIND  those of one kind: ${kinds.join(', ')}
  --jobs N     so many at the same time (1)
  --list       names them and runs nothing`;

/** Throws `RangeError` or `TypeError` with a message for people. */
export function readOptions(args: readonly string[]): MutationOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      kind: { type: 'string' },
      jobs: { type: 'string' },
      list: { type: 'boolean' },
    },
  });
  const kind = kinds.find((one) => one === values.kind);
  if (values.kind !== undefined && kind === undefined) {
    throw new RangeError(`--kind has to be one of ${kinds.join(', ')}, not ${values.kind}`);
  }
  const jobs = Number(values.jobs ?? 1);
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > 32) {
    throw new RangeError(`--jobs has to be a whole number from 1 to 32, not ${values.jobs}`);
  }
  return { only: values.only ?? [], kind, jobs, list: values.list ?? false };
}

/** Those that are asked for; throws `RangeError` for a name that is none. */
export function chosen(mutations: readonly Mutation[], { kind, only }: MutationOptions): Mutation[] {
  const unknown = only.find((name) => !mutations.some((mutation) => mutation.name === name));
  if (unknown !== undefined) throw new RangeError(`there is no mutation '${unknown}'; --list names them`);
  return mutations.filter(
    (mutation) =>
      (only.length === 0 || only.includes(mutation.name)) && (kind === undefined || mutation.kind === kind),
  );
}
