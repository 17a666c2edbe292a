import type { EffectiveSetting } from '../admin/settings/effective-setting.ts';
import { parseProxyUrl } from '../outbound/proxies.ts';
import { DatabaseUrlFault, describeDatabaseUrl } from '../store/database-url.ts';
import { groupOf, settingGroups } from './setting-groups.ts';
import { givenValue, type Setting, settings } from './settings.ts';

/**
 * Lists the settings in force, for `espalier config`, the support bundle, the admin API and the console. Only this file
 * decides which part of a value is shown, and nothing that it returns holds a secret.
 */

export type Variables = Readonly<Record<string, string | undefined>>;

const mask = '********';

/** Shows on which database a process works; a URL that cannot be read is hidden whole. */
function shownDatabaseUrl(url: string): string {
  try {
    return `postgresql://${mask}@${describeDatabaseUrl(url)}`;
  } catch (error) {
    if (error instanceof DatabaseUrlFault) return mask;
    throw error;
  }
}

/** A password before the host of an address, wherever in a value the address stands. */
const passwordInAddress = /(\/\/[^/?#\s:@]*):[^/?#\s]*@/g;

/** Shows which proxy is used; one that cannot be read is hidden whole. */
function shownProxy(value: string): string {
  const proxy = parseProxyUrl(value);
  if (proxy === undefined) return mask;
  return proxy.authorization === undefined ? proxy.shown : proxy.shown.replace('//', `//${mask}@`);
}

function shown(setting: Setting<unknown>, value: string): string {
  if (setting.name === settings.databaseUrl.name) return shownDatabaseUrl(value);
  if (setting.name === settings.httpsProxy.name) return shownProxy(value);
  // On Workers a `…_FILE` variable holds the PEM itself, which may be a private key.
  if (setting.secret || value.includes('-----BEGIN')) return mask;
  return value.replace(passwordInAddress, `$1:${mask}@`);
}

/** The variables of a setting: its own name, and where one may follow, each that is set with a cloud or `_NEXT` behind it. */
const namesOf = ({ name, perCloud }: Setting<unknown>, variables: Variables): string[] => [
  name,
  ...(perCloud ? Object.keys(variables).filter((one) => one.startsWith(`${name}_`)) : []),
];

/** Every setting in the order of the groups, those of a group in the order of `settings`. */
export function effectiveSettings(variables: Variables): EffectiveSetting[] {
  const entries = Object.entries(settings) as [keyof typeof settings, Setting<unknown>][];
  return settingGroups.flatMap((group) =>
    entries
      .filter(([key]) => groupOf[key] === group)
      .flatMap(([, setting]) =>
        namesOf(setting, variables).map((name): EffectiveSetting => {
          const value = givenValue(setting, variables, name) ?? '';
          return {
            name,
            group,
            value: value === '' ? setting.defaultText : shown(setting, value),
            set: value !== '',
            secret: setting.secret === true,
            default: setting.defaultText,
            meaning: setting.meaning,
          };
        }),
      ),
  );
}
