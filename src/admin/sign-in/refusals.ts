import type { SignInRefusal } from './finish.ts';
import type { RefusalPage } from './pages.ts';
import { entraWordsOf } from './texts.ts';
import type { EntraWords, SignInTexts } from './wording.ts';

/** A refusal as its page and as the log tell it: one exhaustive map. */

export interface ToldRefusal {
  readonly status: 400 | 403 | 502 | 503;
  readonly page: Omit<RefusalPage, 'requestId'>;
  /** Facts for the log: no name, no code, no token. */
  readonly said: Readonly<Record<string, unknown>>;
}

const statusOf = (words: EntraWords): ToldRefusal['status'] => {
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

function ofEntra({ failure }: Extract<SignInRefusal, { reason: 'entra' }>, texts: SignInTexts): ToldRefusal {
  const words = entraWordsOf(failure.cause);
  const { cause, code, correlationId, description, error, owner, traceId } = failure;
  return {
    status: statusOf(words),
    page: { text: texts.entra[words], failure, again: words === 'account' ? 'choose' : 'same' },
    said: { reason: 'entra', cause, code, error, description, owner, traceId, correlationId },
  };
}

function ofToken({ fault }: Extract<SignInRefusal, { reason: 'token' }>, texts: SignInTexts): ToldRefusal {
  const said = { reason: 'token', fault };
  switch (fault) {
    case 'keys-unavailable':
      return { status: 503, page: { text: texts.keys, again: 'same' }, said };
    case 'expired':
    case 'not-yet-valid':
      return { status: 502, page: { text: texts.clock, again: 'same' }, said };
    default:
      return { status: 502, page: { text: texts.token, again: 'same' }, said };
  }
}

export function pageOfRefusal(refusal: SignInRefusal, texts: SignInTexts): ToldRefusal {
  const { reason } = refusal;
  switch (reason) {
    case 'not-matched':
      return { status: 400, page: { text: texts.notMatched, again: 'same' }, said: { reason } };
    case 'incomplete':
      return {
        status: 400,
        page: { text: texts.incomplete, again: 'same' },
        said: { reason, field: refusal.field },
      };
    case 'entra':
      return ofEntra(refusal, texts);
    case 'token':
      return ofToken(refusal, texts);
    case 'other-tenant':
      return { status: 403, page: { text: texts.otherTenant, again: 'choose' }, said: { reason } };
    case 'no-role':
      return { status: 403, page: { text: texts.noRole(refusal.name), again: 'choose' }, said: { reason } };
  }
}
