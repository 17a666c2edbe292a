/**
 * Marks of missed events in the data directory: a file for each process that has any, written beside and put in its place,
 * so that it is whole or not there.
 */

import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { MarkKeeper } from '../delivery/missed-events.ts';
import { newId } from '../ids.ts';
import type { InstanceRef } from '../store/instances/instance.ts';

const folderName = 'missed-events';
const marksSchema = z.array(z.object({ tenantId: z.guid(), instanceId: z.guid() }));

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

export function createMarkKeeper(dataDir: string): MarkKeeper {
  const folder = join(dataDir, folderName);
  const id = newId();
  const own = join(folder, `${id}.json`);
  const taken = (name: string): string => join(folder, `${name}.${id}.taken`);

  /** Another process that starts at the same time may have been faster; one that lives on writes its file anew. */
  const takeOne = async (name: string): Promise<readonly InstanceRef[]> => {
    try {
      await rename(join(folder, name), taken(name));
      return marksSchema.parse(JSON.parse(await readFile(taken(name), 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return [];
      if (error instanceof z.ZodError) return [];
      throw error;
    }
  };

  return {
    keep: async (instances) => {
      if (instances.length === 0) return rm(own, { force: true });
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeDurably(`${own}.new`, JSON.stringify(instances));
      await rename(`${own}.new`, own);
    },
    takeOver: async () => {
      const names = await readdir(folder).catch(() => []);
      // One that was just being written when its process ended counts too, if it is whole.
      const others = names.filter((name) => /\.(json|new|taken)$/.test(name) && !name.startsWith(id));
      const instances = (await Promise.all(others.map(takeOne))).flat();
      return {
        instances,
        release: async () => {
          await Promise.all(others.map((name) => rm(taken(name), { force: true })));
        },
      };
    },
  };
}
