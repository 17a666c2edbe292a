/** What a file declares and what a gateway has, in the same words, so that they can be compared. */

/** Where something stands in the files, lines and columns from 1. */
export interface Place {
  /** As it was given on the command line; `-` is standard input. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type Mode = 'device-compliance' | 'conditional-access';
export type ConnectionType = 'cloud-connector' | 'manual';
export type Role = 'viewer' | 'operator' | 'admin';
export type PartnerGroup = { readonly id: string } | { readonly displayName: string };

export interface Compliance {
  readonly source: 'jamf' | 'smart-group';
  readonly applicableGroup?: string | undefined;
  readonly complianceGroup?: string | undefined;
}

/**
 * A secret is never in the file itself. `gateway`: the gateway keeps the reference and resolves it on its own machine
 * whenever it needs the secret. `sent`: this command reads the secret here and sends it; the gateway seals it.
 */
export type DeclaredSecret =
  | { readonly kind: 'gateway'; readonly reference: string }
  | {
      readonly kind: 'sent';
      readonly reference: string;
      /** What a relative `file:` is relative to. */
      readonly dir: string;
    };

export interface DeclaredClient {
  readonly clientId: string;
  /** undefined: the gateway keeps the one it has. */
  readonly secret?: DeclaredSecret | undefined;
}

export interface DeclaredLanding {
  readonly choice: 'default' | 'denied' | 'custom';
  readonly customUrl?: string | undefined;
  /** Name of the instance. */
  readonly defaultInstance?: string | undefined;
}

/** A field that is undefined is left as it is; null ends what can be ended. */
export interface DeclaredInstance {
  /** Of an instance that is there, for instance to give it another name. */
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly url?: string | undefined;
  readonly apiClient?: DeclaredClient | undefined;
  readonly compliance?: Compliance | undefined;
  readonly caCertificate?: string | null | undefined;
  readonly clientCertificateSha256?: string | null | undefined;
  readonly enabled?: boolean | undefined;
  readonly paused?: boolean | undefined;
  readonly place: Place;
}

export interface DeclaredTenant {
  readonly tenantId: string;
  readonly cloud?: string | undefined;
  readonly displayName?: string | undefined;
  readonly mode?: Mode | undefined;
  readonly connectionType?: ConnectionType | undefined;
  readonly landing?: DeclaredLanding | undefined;
  readonly partnerGroup?: PartnerGroup | null | undefined;
  readonly application?: DeclaredClient | undefined;
  readonly paused?: boolean | undefined;
  /** undefined: nothing is said of its instances. */
  readonly instances?: readonly DeclaredInstance[] | undefined;
  readonly place: Place;
}

export interface DeclaredKey {
  readonly name: string;
  readonly role: Role;
  /** undefined: every tenant. */
  readonly tenants?: readonly string[] | undefined;
  readonly expiresAt?: string | undefined;
  readonly place: Place;
}

export interface Declared {
  readonly tenants: readonly DeclaredTenant[];
  readonly keys: readonly DeclaredKey[];
}

export interface PresentClient {
  readonly clientId: string;
  /** null: the secret itself is sealed in the gateway, and nobody can tell which one it is. */
  readonly secretRef: string | null;
}

export interface PresentInstance {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly apiClient: PresentClient;
  readonly compliance: Compliance;
  readonly caCertificate: string | null;
  readonly clientCertificateSha256: string | null;
  readonly enabled: boolean;
  readonly paused: boolean;
  /** For `If-Match`. */
  readonly version: number;
}

export interface PresentTenant {
  readonly tenantId: string;
  readonly cloud: string;
  readonly displayName: string;
  readonly mode: Mode;
  readonly connectionType: ConnectionType;
  readonly landing: {
    readonly choice: 'default' | 'denied' | 'custom';
    readonly customUrl?: string | undefined;
    readonly defaultInstanceId?: string | undefined;
  };
  readonly partnerGroup: PartnerGroup | null;
  readonly application: PresentClient | null;
  readonly paused: boolean;
  /** For `If-Match`. */
  readonly version: number;
  readonly instances: readonly PresentInstance[];
}

export interface PresentKey {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** null: every tenant. */
  readonly tenants: readonly string[] | null;
  readonly expiresAt: string | null;
}

export interface Present {
  /** Those that the files name; every one that the key may see where others are to be removed. */
  readonly tenants: readonly PresentTenant[];
  readonly keys: readonly PresentKey[];
}
