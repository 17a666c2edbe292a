import type { AskedConsent, ConsentApplication } from '../store/consents.ts';

/** Derives how far a tenant is with the consents that its connection takes. */

export type ConsentState = 'not-asked' | 'open' | 'given' | 'declined' | 'failed' | 'expired';

export interface ConsentStanding {
  readonly app: ConsentApplication;
  readonly clientId: string;
  readonly state: ConsentState;
  /** Outcome of the last link that was used: `declined`, `other-tenant`, `unproven`, `incomplete`. */
  readonly cause: string | null;
  /** Microsoft's explanation. */
  readonly detail: string | null;
  /** Time of the last use of a link. */
  readonly at: Date | null;
  /** Time until which the newest unused link works. */
  readonly linkExpiresAt: Date | null;
}

const remedies: Readonly<Record<string, string>> = {
  declined:
    'An administrator who may consent for the whole organisation, such as a Global Administrator, opens a new link and accepts.',
  'other-tenant':
    'The administrator was signed in to another tenant: open a new link in a private window, with an account of this one.',
  unproven:
    'Microsoft gave no token although the consent was accepted: do what its words say, then confirm, or make new links.',
  incomplete:
    'What Microsoft adds to the address was missing: make new links, and look at what rewrites addresses.',
  expired: 'The links were not used within an hour: make new ones.',
};

export const consentRemedy = ({ cause, state }: Pick<ConsentStanding, 'cause' | 'state'>): string | null =>
  remedies[state === 'expired' ? state : (cause ?? '')] ?? null;

/** `asked` is newest first. A consent that was given stays so, whatever came of another link. */
export function consentStanding(
  { app, clientId }: Pick<ConsentStanding, 'app' | 'clientId'>,
  asked: readonly AskedConsent[],
  now: Date,
): ConsentStanding {
  const own = asked.filter(({ application }) => application === app);
  const given = own.find(({ result }) => result === 'granted');
  const settled = given ?? own.find(({ result }) => result !== null);
  const live = own.find(({ expiresAt, usedAt }) => usedAt === null && expiresAt > now);
  const state = (): ConsentState => {
    if (given !== undefined) return 'given';
    if (settled !== undefined) return settled.result === 'declined' ? 'declined' : 'failed';
    if (live !== undefined) return 'open';
    return own.length === 0 ? 'not-asked' : 'expired';
  };
  return {
    app,
    clientId,
    state: state(),
    cause: given === undefined ? (settled?.result ?? null) : null,
    detail: settled?.detail ?? null,
    at: settled?.usedAt ?? null,
    linkExpiresAt: live?.expiresAt ?? null,
  };
}
