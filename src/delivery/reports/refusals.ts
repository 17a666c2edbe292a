import { saysNotProvisioned } from '../../intune/call.ts';

/**
 * Intune's refusals are classified by this table (contract section 7): the first row that matches decides. Codes and
 * texts are those of domain/microsoft.md 4.4 and 9; the vocabulary is not published, so a text is matched loosely.
 */

export type Disposition = 'retry' | 'hold-tenant' | 'failed';

interface RefusalRule {
  readonly code?: number;
  readonly matches?: (detail: string) => boolean;
  readonly disposition: Disposition;
  readonly cause: string;
  readonly remedy: string;
}

/** A report that failed is told again with the Mac's next change, or when somebody asks for it. */
const tellAgain = 'replay the report';

const rules: readonly RefusalRule[] = [
  {
    matches: saysNotProvisioned,
    disposition: 'hold-tenant',
    cause: 'not-provisioned',
    remedy: 'Confirm the tenant, which provisions it again.',
  },
  { code: 429, disposition: 'retry', cause: 'throttled', remedy: 'passes by itself' },
  { code: 500, disposition: 'retry', cause: 'intune-error', remedy: 'passes by itself' },
  { code: 503, disposition: 'retry', cause: 'intune-error', remedy: 'passes by itself' },
  {
    matches: (detail) => /assigned group|not (in|a member of).*group/i.test(detail),
    disposition: 'failed',
    cause: 'user-not-assigned',
    remedy: `add the user to the group that is assigned to the partner in Intune, then have the Mac update its inventory or ${tellAgain}`,
  },
  {
    matches: (detail) => /device/i.test(detail),
    code: 404,
    disposition: 'failed',
    cause: 'device-not-in-entra',
    remedy: `the registration is gone from Entra: the user registers the Mac again; if it is there after all, ${tellAgain}`,
  },
  {
    code: 404,
    disposition: 'failed',
    cause: 'not-in-entra',
    remedy: `the device or its user is gone from Entra: the user registers the Mac again; if they are there after all, ${tellAgain}`,
  },
];

const fallback: RefusalRule = {
  disposition: 'failed',
  cause: 'refused',
  remedy: `read the detail; when its cause is gone, have the Mac update its inventory or ${tellAgain}`,
};

export function classifyRefusal(code: string, detail: string): RefusalRule {
  return (
    rules.find(
      (rule) =>
        (rule.code === undefined || String(rule.code) === code) &&
        (rule.matches === undefined || rule.matches(detail)),
    ) ?? fallback
  );
}
