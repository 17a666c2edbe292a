import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The `.env` of a gateway: what an operator edits before he sends SIGHUP. */
export interface DotEnv {
  get(name: string): string;
  /** undefined takes the variable out. */
  change(changes: Readonly<Record<string, string | undefined>>): void;
}

export function createDotEnv(dir: string, variables: Readonly<Record<string, string>>): DotEnv {
  const now = new Map(Object.entries(variables));
  const write = (): void => {
    const lines = [...now].map(([name, value]) => `${name}='${value}'`);
    const path = join(dir, '.env');
    writeFileSync(`${path}.new`, `${lines.join('\n')}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  };
  write();
  return {
    get: (name) => now.get(name) ?? '',
    change: (changes) => {
      for (const [name, value] of Object.entries(changes)) {
        if (value === undefined) now.delete(name);
        else now.set(name, value);
      }
      write();
    },
  };
}
