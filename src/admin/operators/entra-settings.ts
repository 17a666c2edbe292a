import type { Cloud } from '../../entra/clouds.ts';
import type { Credential } from '../../entra/credentials.ts';
import type { KeySource } from '../../entra/keys.ts';
import type { SignatureCheck } from '../../entra/signature.ts';
import type { Send } from '../../outbound/port.ts';

/** Settings that say where operators are known to Entra: whose tenants, in which cloud, by which application. */
export interface EntraOperators {
  /** ESPALIER_OPERATOR_TENANTS, lower case, at least one. */
  readonly tenantIds: readonly string[];
  readonly cloud: Cloud;
  readonly clientId: string;
  /** Tried in this order. */
  readonly credentials: readonly Credential[];
  /** `aud` of tokens on the API. */
  readonly audiences: readonly string[];
  readonly keys: KeySource;
  readonly signature: SignatureCheck;
  readonly send: Send;
  readonly timeoutMs: number;
  /** Origin of the admin listener as browsers see it; known once it listens. */
  readonly adminUrl: () => string;
}
