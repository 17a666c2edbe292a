import { cloudSuffix } from './config.ts';
import { nearestName } from './nearest-name.ts';
import { otelNames } from './otel-variables.ts';
import { type Setting, settings } from './settings.ts';

/** Variables that look like ours and are read by nobody: misspelt, or of another version. */

/** Read by the command line: profiles, servers and completion (docs/cli.md). */
const commandLineNames = [
  'ESPALIER_API_KEY',
  'ESPALIER_CA_FILE',
  'ESPALIER_PROFILE',
  'ESPALIER_TENANT',
  'ESPALIER_URL',
];
/** A secret reference may name any variable with this prefix. */
const instancePrefix = 'ESPALIER_INSTANCE_';
/** An application's credential has a second one, `…_NEXT`, during a rotation. */
const rotates = /_(CERT_FILE|KEY_FILE|CLIENT_SECRET)$/;

function ownNames(clouds: Iterable<string>): Set<string> {
  const names = new Set(commandLineNames);
  const suffixes = ['', ...[...clouds].map(cloudSuffix)];
  for (const { name, perCloud } of Object.values(settings) as Setting<unknown>[]) {
    for (const suffix of perCloud ? suffixes : ['']) {
      names.add(name + suffix);
      if (perCloud && rotates.test(name)) names.add(`${name}${suffix}_NEXT`);
    }
  }
  return names;
}

const families = [
  { prefix: 'ESPALIER_', known: ownNames },
  { prefix: 'OTEL_', known: () => otelNames },
] as const;

/** A line for each, in the order of the names. `clouds`: names of the configured clouds. */
export function describeUnknownVariables(names: Iterable<string>, clouds: Iterable<string>): string[] {
  const sorted = [...names].sort();
  return families.flatMap(({ known, prefix }) => {
    const knownNames = known(clouds);
    return sorted
      .filter((name) => name.toUpperCase().startsWith(prefix) && !knownNames.has(name))
      .filter((name) => !name.startsWith(instancePrefix))
      .map((name) => {
        const meant = nearestName(name.toUpperCase(), knownNames, prefix.length);
        const suffix = meant === undefined ? '' : `; did you mean ${meant}?`;
        return `${name} is not known and has no effect${suffix}`;
      });
  });
}
