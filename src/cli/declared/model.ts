/** One model for the contents of a file and of a gateway, so that they can be compared. */

import type { z } from 'zod';
import type { keyFields, presentInstance, presentKey, presentTenant } from './api-fields.ts';
import type { InstanceIn, TenantIn } from './format.ts';

/** Place in the files, lines and columns from 1. */
export interface Place {
  /** Name as it was given on the command line; `-` is standard input. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type ConnectionType = PresentTenant['connectionType'];
export type PartnerGroup = NonNullable<z.output<typeof presentTenant>['partnerGroup']>;

/**
 * A secret is never in the file itself. `gateway`: the gateway keeps the reference and resolves it on its own machine
 * whenever it needs the secret. `sent`: this command reads the secret here and sends it; the gateway seals it.
 */
export type DeclaredSecret =
  | { readonly kind: 'gateway'; readonly reference: string }
  | {
      readonly kind: 'sent';
      readonly reference: string;
      /** The directory to which a relative `file:` is relative. */
      readonly dir: string;
    };

export interface DeclaredClient {
  readonly clientId: string;
  /** undefined: the gateway keeps the one it has. */
  readonly secret?: DeclaredSecret | undefined;
}

/** `defaultInstance` is a name. */
export type DeclaredLanding = NonNullable<TenantIn['landing']>;

/** A field that is undefined is left as it is; null ends what can be ended. `id` is of an instance that is there. */
export interface DeclaredInstance extends Readonly<Omit<InstanceIn, 'apiClient'>> {
  readonly apiClient?: DeclaredClient | undefined;
  readonly place: Place;
}

export interface DeclaredTenant
  extends Readonly<Omit<TenantIn, 'application' | 'instances' | 'partnerGroup'>> {
  readonly application?: DeclaredClient | undefined;
  readonly partnerGroup?: PartnerGroup | null | undefined;
  /** undefined: nothing is said of its instances. */
  readonly instances?: readonly DeclaredInstance[] | undefined;
  readonly place: Place;
}

/** Without `tenants` it is for every tenant. */
export interface DeclaredKey extends Readonly<z.output<z.ZodObject<typeof keyFields>>> {
  readonly place: Place;
}

/** `tenants` is null for every tenant. */
export interface DeclaredOperator {
  readonly id: string;
  readonly tenants: readonly string[] | null;
  readonly place: Place;
}

export interface Declared {
  readonly tenants: readonly DeclaredTenant[];
  readonly keys: readonly DeclaredKey[];
  readonly operators?: readonly DeclaredOperator[];
}

/** `versionLock` is for `If-Match`. */
export type PresentInstance = Readonly<z.output<typeof presentInstance>>;

/** A client whose `secretRef` is null: the secret itself is sealed in the gateway, and nobody can tell which one it is. */
export type PresentClient = PresentInstance['apiClient'];

export interface PresentTenant extends Readonly<z.output<typeof presentTenant>> {
  readonly instances: readonly PresentInstance[];
}

/** `tenants` is null for every tenant. */
export type PresentKey = Readonly<z.output<typeof presentKey>>;

/** `tenants` is what the operator sees; it is his own only where `assignment` says so. */
export interface PresentOperator {
  readonly id: string;
  readonly name: string | null;
  readonly tenants: readonly string[] | null;
  readonly assignment: 'entra-tenant' | 'none' | 'own';
}

export interface Present {
  /** Those that the files name; every one that the key may see where others are to be removed. */
  readonly tenants: readonly PresentTenant[];
  readonly keys: readonly PresentKey[];
  /** Undefined where no file says anything of them. */
  readonly operators?: readonly PresentOperator[];
}
