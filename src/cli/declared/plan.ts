/** The plan: the operations that the pure comparison (diff.ts) finds and everything else shows or carries out. */

import type {
  DeclaredInstance,
  DeclaredKey,
  DeclaredLanding,
  DeclaredOperator,
  DeclaredSecret,
  DeclaredTenant,
  Place,
} from './model.ts';

/** A client with the secret that goes with it: the API takes no client without. */
export interface ClientToSend {
  readonly clientId: string;
  readonly secret: DeclaredSecret;
}

type Fixed = 'cloud' | 'connectionType' | 'mode';

export interface TenantFields
  extends Omit<
    DeclaredTenant,
    Fixed | 'application' | 'instances' | 'landing' | 'paused' | 'place' | 'tenantId'
  > {
  readonly application?: ClientToSend | undefined;
}

/** Without its default instance, which is not there yet. */
type FirstLanding = Omit<DeclaredLanding, 'defaultInstance'>;

export interface NewTenant extends TenantFields, Pick<DeclaredTenant, Fixed> {
  readonly displayName: string;
  readonly landing?: FirstLanding | undefined;
}

export interface InstanceFields
  extends Omit<DeclaredInstance, 'apiClient' | 'enabled' | 'id' | 'paused' | 'place'> {
  readonly apiClient?: ClientToSend | undefined;
}

export interface NewInstance extends InstanceFields {
  readonly name: string;
  readonly url: string;
  readonly apiClient: ClientToSend;
}

/** An instance by its id, or by its name where this plan makes it. */
export type InstanceKey = { readonly id: string } | { readonly made: string };

/** One request, in the tenant of the plan that holds it. `name` is what people call the instance. */
export type Operation =
  | { readonly kind: 'create-tenant'; readonly tenant: NewTenant }
  | { readonly kind: 'change-tenant'; readonly fields: TenantFields }
  | {
      readonly kind: 'set-landing';
      readonly landing: FirstLanding;
      readonly defaultInstance: InstanceKey | undefined;
    }
  | { readonly kind: 'pause-tenant' | 'resume-tenant' | 'delete-tenant' }
  | { readonly kind: 'create-instance'; readonly name: string; readonly instance: NewInstance }
  | {
      readonly kind: 'change-instance';
      readonly name: string;
      readonly key: InstanceKey;
      readonly fields: InstanceFields;
    }
  | {
      readonly kind:
        | 'enable-instance'
        | 'disable-instance'
        | 'pause-instance'
        | 'resume-instance'
        | 'delete-instance';
      readonly name: string;
      readonly key: InstanceKey;
    };

export type OperationKind = Operation['kind'];

/** `before` is undefined for what is made. Values as the file would say them; secrets only as words about them. */
export interface FieldChange {
  readonly field: string;
  readonly before?: unknown;
  readonly after: unknown;
}

/** Counts of the resources that are deleted together with another, as the gateway has them. */
export interface Removal {
  readonly devices: number;
  /** The devices among them that another instance claims and gets; undefined for a tenant. */
  readonly moved?: number | undefined;
}

export type Action = 'create' | 'change' | 'delete' | 'none';

export interface InstancePlan {
  readonly action: Action;
  readonly name: string;
  readonly id: string | undefined;
  readonly fields: readonly FieldChange[];
  readonly removal?: Removal | undefined;
}

export interface TenantPlan {
  readonly action: Action;
  readonly tenantId: string;
  readonly displayName: string;
  readonly fields: readonly FieldChange[];
  readonly instances: readonly InstancePlan[];
  /** Operations in the order in which they have to be done. */
  readonly operations: readonly Operation[];
  /** Notices that the operator should read before. */
  readonly warnings: readonly string[];
  readonly removal?: Removal | undefined;
}

export interface KeyPlan {
  readonly action: 'create' | 'none';
  readonly key: DeclaredKey;
  /** Reason why nothing is done for a key that is not there. */
  readonly note?: string | undefined;
}

export interface OperatorPlan {
  readonly action: Exclude<Action, 'delete'>;
  readonly operator: DeclaredOperator;
  /** Undefined: there was no assignment. */
  readonly before: readonly string[] | null | undefined;
}

/** Something that the files ask for and that cannot be done this way. */
export interface Refusal {
  readonly place: Place | undefined;
  /** Object that it belongs to, in words. */
  readonly subject: string;
  readonly problem: string;
  readonly remedy: string;
}

/** A secret that goes along with a request, also one of a part that is refused: what cannot be read is told with it. */
export interface SecretUse {
  readonly place: Place;
  /** Object that it belongs to, in words. */
  readonly subject: string;
  readonly secret: DeclaredSecret;
}

/** A plan with a refusal is not carried out at all. */
export interface Plan {
  readonly tenants: readonly TenantPlan[];
  readonly keys: readonly KeyPlan[];
  readonly operators: readonly OperatorPlan[];
  readonly secrets: readonly SecretUse[];
  readonly refusals: readonly Refusal[];
}

export interface PlanCounts {
  readonly tenants: Readonly<Record<Exclude<Action, 'none'>, number>>;
  readonly instances: Readonly<Record<Exclude<Action, 'none'>, number>>;
  readonly keys: number;
  readonly operators: number;
}

const tally = (actions: readonly Action[]): PlanCounts['tenants'] => ({
  create: actions.filter((action) => action === 'create').length,
  change: actions.filter((action) => action === 'change').length,
  delete: actions.filter((action) => action === 'delete').length,
});

export const countPlan = ({ keys, operators, tenants }: Plan): PlanCounts => ({
  tenants: tally(tenants.map(({ action }) => action)),
  instances: tally(tenants.flatMap(({ instances }) => instances.map(({ action }) => action))),
  keys: keys.filter(({ action }) => action === 'create').length,
  operators: operators.filter(({ action }) => action !== 'none').length,
});

/**
 * True where carrying the plan out would change anything. With refusals it says what the files ask for, for nothing is
 * carried out.
 */
export const changesAnything = ({ keys, operators, tenants }: Plan): boolean =>
  tenants.some(
    ({ action, instances, operations }) =>
      operations.length > 0 || action !== 'none' || instances.some((one) => one.action !== 'none'),
  ) ||
  keys.some(({ action }) => action === 'create') ||
  operators.some(({ action }) => action !== 'none');
