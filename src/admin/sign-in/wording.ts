import type { PageText } from '../../gateway/page-layout.ts';
import type { Role } from '../../store/row-types.ts';

/** Texts of the pages of sign-in, for people who run Macs, Intune or this gateway. Plain text; the pages escape it. */

/** Causes of Entra's refusals (src/entra/error-kinds.ts) that have words of their own here. */
export type EntraWords =
  | 'declined'
  | 'consent'
  | 'assignment'
  | 'disabled'
  | 'account'
  | 'policy'
  | 'credential'
  | 'code'
  | 'redirect'
  | 'later'
  | 'other';

export interface SignInTexts {
  readonly signIn: Omit<PageText, 'steps'>;
  readonly signInButton: string;
  readonly keyTitle: string;
  readonly keyLabel: string;
  readonly keyButton: string;
  readonly keyNote: string;
  readonly keyRefused: string;
  readonly oneTime: Omit<PageText, 'steps'>;
  readonly oneTimeButton: string;
  readonly oneTimeGone: PageText;
  readonly signedOut: string;
  readonly signedIn: (name: string) => string;
  readonly roles: Readonly<Record<Role, string>>;
  readonly lasts: (at: string) => string;
  readonly apiLink: string;
  readonly continueLink: string;
  readonly signOutButton: string;
  readonly again: string;
  readonly otherAccount: string;
  readonly stepsTitle: string;
  readonly microsoftSaid: string;
  readonly requestId: string;
  readonly code: string;
  readonly traceId: string;
  readonly notSetUp: PageText;
  readonly badReturn: PageText;
  readonly busy: PageText;
  readonly unavailable: PageText;
  /** The address is the one that this gateway knows itself by. */
  readonly forged: (adminUrl: string) => PageText;
  readonly notMatched: PageText;
  readonly incomplete: PageText;
  readonly token: PageText;
  readonly clock: PageText;
  readonly keys: PageText;
  readonly otherTenant: PageText;
  readonly noRole: (name: string) => PageText;
  readonly entra: Readonly<Record<EntraWords, PageText>>;
  readonly moment: (at: Date) => string;
}
