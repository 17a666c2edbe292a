/** Secrets of instances and tenants as options: by reference, never themselves. */

import { usageFailure } from '../failure.ts';
import type { OptionSpec, VerbCall } from './declare.ts';

export const secretOption: OptionSpec = {
  flags: '--client-secret <reference>',
  text: 'where this command reads the secret from: env:NAME, file:PATH, or - to ask for it or read standard input. It is sent once and sealed there',
};

/** Read here or there: a gateway reads `secretRef` itself, each time. */
export const secretRefOption = (body: string): OptionSpec => ({
  flags: '--secret-ref <reference>',
  text: "env:NAME or file:/PATH that the gateway itself reads the secret from, in the gateway's surroundings",
  body,
});

/** The secret that `--client-secret` refers to, undefined without the option. */
export async function secretOf({ given }: VerbCall, option = 'clientSecret'): Promise<string | undefined> {
  const reference = given.text(option);
  if (reference === undefined) return undefined;
  if (given.text('secretRef') !== undefined)
    throw usageFailure('--client-secret and --secret-ref exclude each other');
  const [{ readSecret }, { configSource }] = await Promise.all([
    import('../server/secret-input.ts'),
    import('../environment.ts'),
  ]);
  return readSecret(reference, '--client-secret', configSource().environment);
}
