import { z } from 'zod';
import { parseJson } from '../../untrusted/bounded-json.ts';
import { defaultInventoryVocabulary, type InventoryVocabulary } from './attributes.ts';

/** The setting of what the sources leave open about mode `conditional-access` (domain/microsoft.md 12). */

export type VocabularyResult =
  | { readonly ok: true; readonly vocabulary: InventoryVocabulary }
  | { readonly ok: false; readonly errors: readonly string[] };

const word = z.string().min(1).max(200).nullable();
const words = z.record(z.string(), word);
const unit = z.string().max(20);
const entityType = z.int().min(1).max(2_147_483_647);

const setting = z
  .strictObject({
    inventoryEntityType: entityType,
    complianceEntityType: entityType,
    verdictEntityType: entityType,
    state: z
      .strictObject({ ACTIVATED: word, DEACTIVATED: word, UNRESPONSIVE: word, UNKNOWN: word })
      .partial(),
    gatekeeper: words,
    sip: words,
    encrypted: z.record(z.string(), z.boolean().nullable()),
    passwordType: z.strictObject({ alphanumeric: word, simple: word, notTold: word }).partial(),
    domain: words,
    units: z
      .strictObject({ processorSpeed: unit, busSpeed: unit, cacheSize: unit, ram: unit, battery: unit })
      .partial(),
  })
  .partial();

/** Jamf's words are compared without case, so a given one replaces the default that differs from it in case only. */
function replaceWords<Word>(
  known: Readonly<Record<string, Word>>,
  given: Readonly<Record<string, Word>> = {},
): Readonly<Record<string, Word>> {
  const named = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  const kept = Object.entries(known).filter(([name]) => !named.has(name.toLowerCase()));
  return Object.fromEntries([...kept, ...Object.entries(given)]);
}

function over(known: InventoryVocabulary, given: z.infer<typeof setting>): InventoryVocabulary {
  return {
    inventoryEntityType: given.inventoryEntityType ?? known.inventoryEntityType,
    complianceEntityType: given.complianceEntityType ?? known.complianceEntityType,
    verdictEntityType: given.verdictEntityType ?? known.verdictEntityType,
    state: { ...known.state, ...given.state },
    gatekeeper: replaceWords(known.gatekeeper, given.gatekeeper),
    sip: replaceWords(known.sip, given.sip),
    encrypted: replaceWords(known.encrypted, given.encrypted),
    passwordType: { ...known.passwordType, ...given.passwordType },
    domain: replaceWords(known.domain, given.domain),
    units: { ...known.units, ...given.units },
  };
}

/**
 * Reads ESPALIER_INTUNE_VOCABULARY, JSON such as `{"complianceEntityType":3,"sip":{"ENABLED":"Enabled"}}`, over the
 * defaults: a word that is given replaces its default, the others stay. Unset or empty is the defaults; every fault is
 * returned.
 */
export function parseVocabulary(text: string | undefined): VocabularyResult {
  if (text === undefined || text.trim() === '') return { ok: true, vocabulary: defaultInventoryVocabulary };
  const given = setting.safeParse(parseJson(text), {
    error: (issue) => (issue.input === undefined ? 'must be a JSON object: table to words' : undefined),
  });
  if (!given.success) {
    const errors = given.error.issues.map(({ message, path }) =>
      path.length === 0 ? message : `${path.join('.')}: ${message}`,
    );
    return { ok: false, errors };
  }
  const vocabulary = over(defaultInventoryVocabulary, given.data);
  const { complianceEntityType, inventoryEntityType, verdictEntityType } = vocabulary;
  return new Set([inventoryEntityType, complianceEntityType, verdictEntityType]).size < 3
    ? { ok: false, errors: ['inventoryEntityType, complianceEntityType and verdictEntityType must differ'] }
    : { ok: true, vocabulary };
}
