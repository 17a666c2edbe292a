/**
 * Makes alerts of what needs a person. Everything of one cause at one tenant, or at one of its instances, is one alert; what
 * it says is made of our own words, of names and of counts. The detail of an entry stays out: it may hold what Jamf, Microsoft
 * or an operator wrote, with a serial number, a device's id or a person's name in it.
 */

import { nilGuid } from '../ids.ts';
import type { Sighting } from '../store/alerts/open-alerts.ts';
import type { Attention } from './attention.ts';

const causeCharacters = 200;

const targetOf = ({ action, kind }: Attention): string | undefined =>
  kind === 'alert-target-failing' ? action.href.split('/').at(-1) : undefined;

function sightingOf(entry: Attention): Sighting {
  const { action, count, countIsLeast, instanceId, instanceName, kind, owner, remedy, since, tenantName } =
    entry;
  return {
    tenantId: entry.tenantId ?? nilGuid,
    kind,
    cause: entry.cause.slice(0, causeCharacters),
    subject: targetOf(entry) ?? instanceId ?? '',
    facts: {
      ...{ tenantName, instanceId, instanceName, count, countIsLeast, owner, remedy, since },
      href: action.href,
    },
  };
}

const keyOf = ({ cause, kind, subject, tenantId }: Sighting): string =>
  JSON.stringify([tenantId, kind, cause, subject]);

/** Adds up the entries of one alert; what it says besides is that of the first. */
export function sightingsOf(attention: readonly Attention[]): readonly Sighting[] {
  const found = new Map<string, Sighting>();
  for (const sighting of attention.map(sightingOf)) {
    const key = keyOf(sighting);
    const known = found.get(key);
    if (known === undefined) {
      found.set(key, sighting);
      continue;
    }
    const { count, countIsLeast } = sighting.facts;
    const facts = {
      ...known.facts,
      count: known.facts.count + count,
      countIsLeast: known.facts.countIsLeast || countIsLeast,
    };
    found.set(key, { ...known, facts });
  }
  return [...found.values()];
}
