/** Compares an API client or an application. Secrets cannot be compared; docs/declarative.md says what follows. */

import type { DeclaredClient, PresentClient } from './model.ts';
import type { ClientToSend, FieldChange } from './plan.ts';

export interface ClientDiff {
  readonly fields: readonly FieldChange[];
  /** undefined: it stays as it is. */
  readonly send: ClientToSend | undefined;
  /** The gateway wants the secret again and the file does not say where it is. */
  readonly needsSecret: boolean;
}

const sealed = '(kept by the gateway)';

const presentSecret = (present: PresentClient | null): string | undefined =>
  present === null ? undefined : (present.secretRef ?? sealed);

/** The plan's line about a new secret; empty where the one that is there stays, as far as anybody can tell. */
function secretChange(
  field: string,
  { secret }: DeclaredClient,
  present: PresentClient | null,
  again: boolean,
): FieldChange[] {
  const before = presentSecret(present);
  if (secret?.kind === 'gateway') {
    if (present?.secretRef === secret.reference) return [];
    return [{ field: `${field}.secretRef`, before, after: secret.reference }];
  }
  if (secret?.kind !== 'sent') return [];
  if (present !== null && present.secretRef === null && !again) return [];
  return [{ field: `${field}.clientSecret`, before, after: `(sent from ${secret.reference})` }];
}

/**
 * `again`: a secret that was sent before is sent again. `moved`: the client is used at another origin, for which the
 * gateway wants the secret anew.
 */
export function diffClient(
  field: string,
  declared: DeclaredClient | undefined,
  present: PresentClient | null,
  { again, moved }: { readonly again: boolean; readonly moved: boolean },
): ClientDiff {
  if (declared === undefined) return { fields: [], send: undefined, needsSecret: moved };
  const { clientId, secret } = declared;
  const renamed = present?.clientId !== clientId;
  // A secret that has to go along is a change worth showing even if it may be the same one.
  const secrets = secretChange(field, declared, present, again || renamed || moved);
  const fields = [
    ...(renamed ? [{ field: `${field}.clientId`, before: present?.clientId, after: clientId }] : []),
    ...secrets,
  ];
  if (!renamed && !moved && secrets.length === 0) return { fields, send: undefined, needsSecret: false };
  if (secret === undefined) return { fields, send: undefined, needsSecret: true };
  return { fields, send: { clientId, secret }, needsSecret: false };
}
