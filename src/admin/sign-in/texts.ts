import type { Language } from '../../gateway/language.ts';
import type { EntraWords, SignInTexts } from './wording.ts';
import { english } from './wording-en.ts';
import { french } from './wording-fr.ts';

/** Chooses the words of the pages: by language, and for a refusal of Entra by its cause. */

const texts: Readonly<Record<Language, SignInTexts>> = { en: english, fr: french };

export const signInTexts = (language: Language): SignInTexts => texts[language];

const words: Readonly<Record<string, EntraWords>> = {
  'consent-declined': 'declined',
  'consent-required': 'consent',
  'admin-consent-required': 'consent',
  'assignment-required': 'assignment',
  'application-disabled': 'disabled',
  'user-not-in-tenant': 'account',
  'user-disabled': 'account',
  'blocked-by-policy': 'policy',
  'device-not-compliant': 'policy',
  'credential-invalid': 'credential',
  'credential-expired': 'credential',
  'credential-refused': 'credential',
  'credential-missing': 'credential',
  'certificate-unknown': 'credential',
  'assertion-invalid': 'credential',
  'assertion-malformed': 'credential',
  'code-spent': 'code',
  'redirect-uri-mismatch': 'redirect',
  throttled: 'later',
  'entra-unavailable': 'later',
  'entra-unreachable': 'later',
  'entra-timeout': 'later',
  'client-loop': 'later',
};

/** Words for a cause of `TokenFailure`. */
export const entraWordsOf = (cause: string): EntraWords =>
  (Object.hasOwn(words, cause) ? words[cause] : undefined) ?? 'other';
