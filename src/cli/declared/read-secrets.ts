/** Reads the secrets that a plan sends, all of them before anything is sent. */

import { resolve } from 'node:path';
import type { DeclaredSecret } from './model.ts';
import type { Plan, Refusal } from './plan.ts';

export interface SecretSources {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Throws for a file that cannot be read. */
  readonly readFile: (path: string) => string;
}

/** Throws for a secret that was not read before. */
export type SecretOf = (secret: Extract<DeclaredSecret, { kind: 'sent' }>) => string;

/** A file ends with a line break more often than a secret does. */
function readOne(reference: string, dir: string, { environment, readFile }: SecretSources): string {
  if (reference.startsWith('env:')) {
    const value = environment[reference.slice('env:'.length)];
    if (value === undefined || value === '')
      throw new Error('the variable is not set where this command runs');
    return value;
  }
  const value = readFile(resolve(dir, reference.slice('file:'.length))).replace(/\r?\n$/, '');
  if (value === '') throw new Error('the file is empty');
  return value;
}

const keyOf = ({ dir, reference }: { readonly dir: string; readonly reference: string }): string =>
  reference.startsWith('file:') ? `file:${resolve(dir, reference.slice('file:'.length))}` : reference;

export function readSecrets(
  { secrets }: Plan,
  sources: SecretSources,
): { readonly secretOf: SecretOf; readonly refusals: readonly Refusal[] } {
  const values = new Map<string, string>();
  const refusals: Refusal[] = [];
  for (const { place, secret, subject } of secrets) {
    if (secret.kind !== 'sent' || values.has(keyOf(secret))) continue;
    try {
      values.set(keyOf(secret), readOne(secret.reference, secret.dir, sources));
    } catch (error) {
      refusals.push({
        place,
        subject,
        problem: `its secret ${secret.reference} cannot be read: ${(error as Error).message}`,
        remedy: 'set it where this command runs, or use secretRef for one that the gateway reads',
      });
    }
  }
  return {
    refusals,
    secretOf: (secret) => {
      const value = values.get(keyOf(secret));
      if (value === undefined) throw new Error(`${secret.reference} was not read`);
      return value;
    },
  };
}
