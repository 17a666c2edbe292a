import { cloudSuffix } from './config.ts';
import { settings } from './settings.ts';

/** When the certificates of our own applications end, on either runtime. */

const applications = {
  connector: settings.entraCertFile,
  diagnostic: settings.diagnosticCertFile,
  operators: settings.operatorCertFile,
} as const;

/**
 * Returns seconds until each expires, by application, cloud and whether it is the next one. They are read once, as the
 * credentials are. `endOf` finds the end in what a variable holds: the name of a file, or on Workers its text.
 */
export function applicationExpiry(
  environment: Readonly<Record<string, string | undefined>>,
  clouds: readonly string[],
  endOf: (variable: string, value: string) => string,
): () => ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  for (const [application, { name }] of Object.entries(applications))
    for (const cloud of [undefined, ...clouds])
      for (const next of [false, true]) {
        const variable = `${name}${cloud === undefined ? '' : cloudSuffix(cloud)}${next ? '_NEXT' : ''}`;
        const value = environment[variable]?.trim();
        if (value === undefined || value === '') continue;
        const label = [application, cloud, next ? 'next' : undefined].filter((part) => part !== undefined);
        ends.set(label.join(' '), Date.parse(endOf(variable, value)));
      }
  return () => new Map([...ends].map(([label, end]) => [label, (end - Date.now()) / 1_000]));
}
