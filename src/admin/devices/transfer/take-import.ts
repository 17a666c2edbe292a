import {
  importChangesListed,
  importFaultsListed,
  importRejectionsListed,
  importStaged,
} from '../../../limits.ts';
import { ProblemError, problem } from '../../../problems.ts';
import {
  type Applied,
  applyImport,
  type ImportMode,
  planImport,
} from '../../../routing/imports/apply-import.ts';
import type { PlannedChange } from '../../../routing/imports/apply-page.ts';
import type { ImportRow } from '../../../routing/imports/import-row.ts';
import { createStage, sortRows, stageRows } from '../../../routing/imports/staged-rows.ts';
import type { Sql, Transaction } from '../../../store/database.ts';
import type { Authorship } from '../../../store/routes/routes.ts';
import type { StreamDigest } from '../../context.ts';
import { type Format, readRows } from './read-rows.ts';
import { isRejection, type Rejection, rejection } from './rows.ts';

/** Takes a file of routes in: all of it is read and checked before a route is touched. */

export interface ImportOptions {
  readonly tenantId: string;
  readonly format: Format;
  readonly mode: ImportMode;
  readonly dryRun: boolean;
  readonly by: Authorship;
}

export interface Progress {
  readonly phase: 'reading' | 'writing';
  readonly rows: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Rows that were compared with the table, and written where they differ. */
  readonly written: number;
}

export interface Imported extends Applied {
  readonly rows: number;
  readonly accepted: number;
  readonly rejectedCount: number;
  /** The first ones, by line. */
  readonly rejected: readonly Rejection[];
  /** SHA-256 of the file, unpacked. */
  readonly sha256: string;
  /** The first changes that a dry run would make, in the order of the lines; empty when the import was made. */
  readonly changes: readonly PlannedChange[];
}

export interface ImportParts {
  readonly bulk: Sql;
  readonly maxRows: number;
  /** All of it is one transaction, so its routes become one version. */
  readonly isWhole: boolean;
  readonly digest: StreamDigest;
  readonly record: (tx: Transaction, so: Imported) => Promise<void>;
  readonly onCommit: () => void;
  readonly onProgress: (progress: Progress) => void;
}

async function* digested(
  chunks: AsyncIterable<Uint8Array>,
  digest: StreamDigest,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    digest.update(chunk);
    yield chunk;
  }
}

/** Rows go to the database while the next ones are read; one statement at a time. */
function createStaging(bulk: Sql) {
  let waiting: ImportRow[] = [];
  let under: Promise<{ readonly error?: unknown }> = Promise.resolve({});
  const settled = async (): Promise<void> => {
    const outcome = await under;
    if ('error' in outcome) throw outcome.error;
  };
  const send = async (): Promise<void> => {
    await settled();
    const rows = waiting;
    waiting = [];
    under = stageRows(bulk, rows).then(
      () => ({}),
      (error: unknown) => ({ error }),
    );
  };
  return {
    add: async (rows: readonly ImportRow[]): Promise<void> => {
      for (const row of rows) {
        waiting.push(row);
        if (waiting.length >= importStaged) await send();
      }
    },
    finish: async (): Promise<void> => {
      if (waiting.length > 0) await send();
      await settled();
    },
  };
}

interface Staged {
  readonly rows: number;
  readonly rejectedCount: number;
  readonly rejected: readonly Rejection[];
  readonly instanceIds: readonly string[];
}

async function stage(
  { bulk, digest, maxRows, onProgress }: ImportParts,
  { format, tenantId }: ImportOptions,
  chunks: AsyncIterable<Uint8Array>,
): Promise<Staged> {
  const known = await bulk<{ id: string }[]>`
    select instance_id as id from instances where tenant_id = ${tenantId}`;
  await createStage(bulk);
  const staging = createStaging(bulk);
  const rejected: Rejection[] = [];
  const named = new Set<string>();
  let rows = 0;
  let rejectedCount = 0;
  for await (const batch of readRows(digested(chunks, digest), format, new Set(known.map(({ id }) => id)))) {
    rows += batch.length;
    if (rows > maxRows)
      throw new ProblemError(problem('payload-too-large', `A file may have ${maxRows} rows at most.`));
    const bad = batch.filter(isRejection);
    rejectedCount += bad.length;
    rejected.push(...bad.slice(0, importRejectionsListed - rejected.length));
    const good = batch.filter((row): row is ImportRow => !isRejection(row));
    for (const { instanceId } of good) named.add(instanceId);
    await staging.add(good);
    onProgress({
      phase: 'reading',
      rows,
      accepted: rows - rejectedCount,
      rejected: rejectedCount,
      written: 0,
    });
  }
  await staging.finish();
  const duplicates = await sortRows(bulk, importRejectionsListed);
  const twice = duplicates.first.map(({ firstLine, line }) =>
    rejection(line, 'DUPLICATE_DEVICE', `stands in line ${firstLine} already`, 'deviceId'),
  );
  return {
    rows,
    rejectedCount: rejectedCount + duplicates.count,
    rejected: [...rejected, ...twice].sort((a, b) => a.line - b.line).slice(0, importRejectionsListed),
    instanceIds: [...named].sort(),
  };
}

export const sentence = ({ description, field }: Rejection): string =>
  field === undefined ? description : `${field} ${description}`;

/** The whole is refused: the problem names the lines. */
const refused = ({ rejected, rejectedCount, rows }: Staged): ProblemError =>
  new ProblemError(
    problem(
      'invalid-request',
      `${rejectedCount} of ${rows} rows cannot be taken, so none was (mode=atomic); the first is line ${rejected[0]?.line}.`,
      {
        errors: rejected.slice(0, importFaultsListed).map((one) => ({
          code: one.code,
          field: one.field ?? null,
          description: `line ${one.line}: ${sentence(one)}`,
        })),
      },
    ),
  );

/** Throws `ProblemError` where nothing can be taken; in `partial` what was committed before a failure stays. */
export async function takeImport(
  parts: ImportParts,
  options: ImportOptions,
  chunks: AsyncIterable<Uint8Array>,
): Promise<Imported> {
  const { bulk, digest, isWhole, onCommit, onProgress, record } = parts;
  const { by, dryRun, mode, tenantId } = options;
  const { instanceIds, ...staged } = await stage(parts, options, chunks);
  const { rejectedCount, rows } = staged;
  if (mode === 'atomic' && rejectedCount > 0) throw refused({ ...staged, instanceIds });
  const accepted = rows - rejectedCount;
  const soFar = { ...staged, accepted, sha256: digest.hex(), changes: [] };
  const onRows = (written: number): void =>
    onProgress({ phase: 'writing', rows, accepted, rejected: rejectedCount, written });
  onRows(0);
  if (dryRun) {
    const plan = await planImport(bulk, tenantId, importChangesListed, onRows);
    return { ...soFar, ...plan, versionBefore: undefined, version: undefined };
  }
  const applied = await applyImport(bulk, {
    ...{ tenantId, by, instanceIds, onCommit, onRows },
    mode: isWhole ? 'atomic' : mode,
    record: (tx, so) => record(tx, { ...soFar, ...so }),
  });
  return { ...soFar, ...applied };
}
