/**
 * Keeps the snapshot: writes it in the background while the database is there, and once more at the end. One process
 * writes a data directory's snapshot; another one that serves from the same directory does not, and takes over when the
 * first has ended.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  snapshotEveryMs,
  snapshotFirstMs,
  snapshotLastMs,
  snapshotRestFactor,
  snapshotSilentMs,
} from '../../limits.ts';
import type { SnapshotPart } from '../../snapshot-part.ts';
import type { Log } from '../../telemetry/log.ts';
import { DirectoryInUse, lockDirectory, lockFile } from '../node-directory-lock.ts';
import { describeFileError } from '../start-fault.ts';
import { makeFolder, type SnapshotWriter } from './write.ts';

export interface KeepOptions {
  readonly folder: string;
  readonly writer: SnapshotWriter;
  readonly log: Log;
  readonly parts: readonly SnapshotPart[];
  /**
   * Milliseconds since what the parts hold was last known to be current, so that the snapshot's age is no less than that of
   * its data. Undefined: it is not known now, or not all of it is there yet; then nothing is written.
   */
  readonly knownForMs: () => number | undefined;
  /** Default: that of limits.ts; shorter in tests. */
  readonly firstMs?: number;
  readonly everyMs?: number;
}

export interface SnapshotKeeping {
  /** Writes what changed since the last write, where the database is there, and ends. */
  stop(): Promise<void>;
}

/** The lock of the folder, held from the first write to the end. */
function createFolderLock(folder: string, log: Log) {
  let unlock: (() => void) | undefined;
  let said = false;
  return {
    /** False: another process has it. */
    take: async (): Promise<boolean> => {
      // A person who deletes the folder deletes the lock file too, and the one that this process still holds locks nothing.
      if (unlock && existsSync(join(folder, lockFile))) return true;
      unlock?.();
      unlock = undefined;
      await makeFolder(folder);
      try {
        unlock = lockDirectory(folder);
        return true;
      } catch (error) {
        if (!(error instanceof DirectoryInUse)) throw error;
        if (!said) log.info('snapshot.another-process-writes', { folder, pid: error.pid });
        said = true;
        return false;
      }
    },
    release: (): void => unlock?.(),
  };
}

/** Says what happens to the snapshot, and a cause that stays the same only once. */
function createReport(log: Log) {
  let failing = '';
  let isFirst = true;
  return {
    written: (details: Readonly<Record<string, number>>): void => {
      log[isFirst || failing !== '' ? 'info' : 'debug']('snapshot.written', details);
      isFirst = false;
      failing = '';
    },
    failed: (error: unknown): void => {
      const cause = describeFileError(error);
      if (cause !== failing) log.warn('snapshot.not-written', { cause });
      failing = cause;
    },
  };
}

export function keepSnapshot(options: KeepOptions): SnapshotKeeping {
  const {
    everyMs = snapshotEveryMs,
    firstMs = snapshotFirstMs,
    folder,
    knownForMs,
    log,
    parts,
    writer,
  } = options;
  const lock = createFolderLock(folder, log);
  const report = createReport(log);
  const ending = new AbortController();
  let timer: ReturnType<typeof setTimeout>;
  let running: Promise<void> | undefined;

  /** False: nobody knows now whether the data are current. */
  const write = async (signal: AbortSignal): Promise<boolean> => {
    const silentMs = knownForMs();
    if (silentMs === undefined || silentMs > snapshotSilentMs) return false;
    // A record that is written later holds what is newer: the age errs on the old side.
    const knownAt = Date.now() - silentMs;
    if (!(await lock.take())) return true;
    const beganMs = performance.now();
    const { bytes, newBytes, newSegments, segments } = await writer.write(parts, knownAt, signal);
    const seconds = Math.round(performance.now() - beganMs) / 1_000;
    report.written({ bytes, newBytes, segments, newSegments, seconds });
    return true;
  };
  const turn = async (): Promise<void> => {
    const beganMs = performance.now();
    let isKnown = true;
    try {
      isKnown = await write(ending.signal);
    } catch (error) {
      if (!ending.signal.aborted) report.failed(error);
    }
    const tookMs = performance.now() - beganMs;
    if (!ending.signal.aborted) schedule(isKnown ? Math.max(everyMs, tookMs * snapshotRestFactor) : firstMs);
  };
  const schedule = (ms: number): void => {
    timer = setTimeout(() => {
      running = turn();
    }, ms);
    timer.unref();
  };
  schedule(firstMs);
  return {
    stop: async () => {
      clearTimeout(timer);
      ending.abort();
      await running;
      try {
        await write(AbortSignal.timeout(snapshotLastMs));
      } catch (error) {
        report.failed(error);
      }
      lock.release();
    },
  };
}
