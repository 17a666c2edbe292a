import type { SignInRefusal } from './finish.ts';
import type { RefusalPage } from './pages.ts';
import { entraWordsOf } from './texts.ts';
import type { EntraWords, SignInTexts } from './wording.ts';

/** A refusal as its page and as the log tell it: one exhaustive map. */

/** Refusals whose name alone says which page it is. */
const plain = {
  'bad-return': { status: 400, text: 'badReturn', again: 'same' },
  busy: { status: 429, text: 'busy', again: 'same' },
  clock: { status: 502, text: 'clock', again: 'same' },
  forged: { status: 403, text: 'forged' },
  incomplete: { status: 400, text: 'incomplete', again: 'same' },
  keys: { status: 503, text: 'keys', again: 'same' },
  'link-gone': { status: 404, text: 'oneTimeGone' },
  'not-matched': { status: 400, text: 'notMatched', again: 'same' },
  'not-set-up': { status: 404, text: 'notSetUp' },
  'other-tenant': { status: 403, text: 'otherTenant', again: 'choose' },
  token: { status: 502, text: 'token', again: 'same' },
  unavailable: { status: 503, text: 'unavailable', again: 'same' },
} as const;

export type PlainRefusal = keyof typeof plain;

export const plainRefusal = (name: string): PlainRefusal | undefined =>
  Object.hasOwn(plain, name) ? (name as PlainRefusal) : undefined;

/** Refusals whose page also shows what Microsoft said of the person. */
export type ExplainedRefusal = Extract<SignInRefusal, { reason: 'entra' | 'no-role' }>;

export type Refusal = PlainRefusal | ExplainedRefusal;

export interface ShownRefusal {
  readonly status: 400 | 403 | 404 | 429 | 502 | 503;
  readonly page: Omit<RefusalPage, 'requestId'>;
}

const statusOf = (words: EntraWords): ShownRefusal['status'] => {
  switch (words) {
    case 'later':
      return 503;
    case 'credential':
    case 'redirect':
    case 'other':
      return 502;
    case 'code':
      return 400;
    default:
      return 403;
  }
};

/** `adminUrl` is the address that this gateway knows itself by. */
export function pageOfRefusal(refusal: Refusal, texts: SignInTexts, adminUrl: string): ShownRefusal {
  if (typeof refusal === 'string') {
    const { status, text: name, ...again } = plain[refusal];
    const text = name === 'forged' ? texts.forged(adminUrl) : texts[name];
    return { status, page: { text, ...again } };
  }
  if (refusal.reason === 'no-role')
    return { status: 403, page: { text: texts.noRole(refusal.name), again: 'choose' } };
  const { failure } = refusal;
  const words = entraWordsOf(failure.cause);
  return {
    status: statusOf(words),
    page: { text: texts.entra[words], failure, again: words === 'account' ? 'choose' : 'same' },
  };
}

function ofToken({ fault }: Extract<SignInRefusal, { reason: 'token' }>): PlainRefusal {
  switch (fault) {
    case 'keys-unavailable':
      return 'keys';
    case 'expired':
    case 'not-yet-valid':
      return 'clock';
    default:
      return 'token';
  }
}

/** Chooses the page for the person. */
export function explainedOf(refusal: SignInRefusal): Refusal {
  switch (refusal.reason) {
    case 'entra':
    case 'no-role':
      return refusal;
    case 'token':
      return ofToken(refusal);
    case 'not-matched':
    case 'incomplete':
    case 'other-tenant':
      return refusal.reason;
  }
}

/** Facts for the log: no name, no code, no token. */
export function loggedOf(refusal: SignInRefusal): Readonly<Record<string, unknown>> {
  const { reason } = refusal;
  switch (reason) {
    case 'entra': {
      const { cause, code, correlationId, description, error, owner, traceId } = refusal.failure;
      return { reason, cause, code, error, description, owner, traceId, correlationId };
    }
    case 'token':
      return { reason, fault: refusal.fault };
    case 'incomplete':
      return { reason, field: refusal.field };
    case 'not-matched':
    case 'other-tenant':
    case 'no-role':
      return { reason };
  }
}
