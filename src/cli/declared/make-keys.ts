/** Makes operators' keys. Each is shown by the gateway this once, so it goes into a file that only its owner reads. */

import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AdminApi, CommandFailure } from '../admin-api.ts';
import { createdKey } from './api-fields.ts';
import type { DeclaredKey } from './model.ts';
import type { KeyPlan } from './plan.ts';

export interface KeyResult {
  readonly name: string;
  readonly state: 'done' | 'failed';
  /** Path of the key, or what went wrong. */
  readonly detail: string;
}

/** A name may have signs that no file's name has. */
export const keyFile = (dir: string, name: string): string => join(dir, `${encodeURIComponent(name)}.key`);

async function makeKey(
  api: AdminApi,
  { expiresAt, name, role, tenants }: DeclaredKey,
  path: string,
): Promise<void> {
  // The file comes first: a key that could not be written down would be lost.
  const file = await open(path, 'wx', 0o600);
  let written = false;
  try {
    const body = {
      name,
      role,
      ...(tenants === undefined ? {} : { tenants }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
    const made = createdKey.parse(await api.request('POST /keys', { body }));
    await file.writeFile(`${made.key}\n`);
    await file.sync();
    written = true;
  } finally {
    await file.close();
    if (!written) await rm(path, { force: true });
  }
}

/** One after the other, and the last of everything: the bootstrap key ends with the first admin key. */
export async function makeKeys(api: AdminApi, plans: readonly KeyPlan[], dir: string): Promise<KeyResult[]> {
  const results: KeyResult[] = [];
  for (const { action, key } of plans) {
    if (action === 'none') continue;
    const path = keyFile(dir, key.name);
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await makeKey(api, key, path);
      results.push({ name: key.name, state: 'done', detail: path });
    } catch (error) {
      const known = error instanceof CommandFailure || (error as NodeJS.ErrnoException).code !== undefined;
      if (!known) throw error;
      results.push({ name: key.name, state: 'failed', detail: (error as Error).message });
    }
  }
  return results;
}
