/**
 * One process for one directory. The lock is the operating system's, taken by SQLite on a file that stays empty: it ends
 * with its process however that dies, it is no race between two that start together, and it holds between containers,
 * where a process id says nothing. The process id beside it is only for the message.
 */

import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export const lockFile = 'in-use.lock';
const ownerFile = 'in-use.pid';
/** SQLITE_BUSY: another process holds the lock. */
const busy = 5;

/** Another process works in this directory. */
export class DirectoryInUse extends Error {
  override readonly name = 'DirectoryInUse';
  /** Undefined: the other one has not written it yet. */
  readonly pid: number | undefined;

  constructor(dir: string, pid: number | undefined) {
    const who = pid === undefined ? 'another process' : `another process, pid ${pid}`;
    super(`${dir} is in use by ${who}: stop that one first, or use another directory`);
    this.pid = pid;
  }
}

function readOwner(dir: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(dir, ownerFile), 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Locks the directory, which has to exist, until the returned function is called. Throws `DirectoryInUse`. */
export const lockDirectory = (dir: string): (() => void) => hold(dir, 'begin exclusive');

/** The same beside others that share it: only whoever has it alone is in the way, and they in that one's. */
export const shareDirectory = (dir: string): (() => void) =>
  // A transaction that has read something holds a lock that others may hold too.
  hold(dir, 'begin; select count(*) from sqlite_master');

function hold(dir: string, statements: string): () => void {
  // SQLite would let everybody read it.
  closeSync(openSync(join(dir, lockFile), 'a', 0o600));
  const database = new DatabaseSync(join(dir, lockFile), { timeout: 0 });
  try {
    database.exec(statements);
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === busy) throw new DirectoryInUse(dir, readOwner(dir));
    throw error;
  }
  writeFileSync(join(dir, ownerFile), `${process.pid}\n`, { mode: 0o600 });
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    // Of several that share it, the last one that came is named.
    if (readOwner(dir) === process.pid) rmSync(join(dir, ownerFile), { force: true });
    database.close();
  };
}
