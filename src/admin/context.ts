import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ExpiringCertificate } from '../alerts/expiring-certificate.ts';
import type { Posted } from '../alerts/post-message.ts';
import type { Confirmed } from '../connection/confirm.ts';
import type { ConfirmObserver } from '../connection/confirm-progress.ts';
import type { MigrationResult } from '../connection/migrate.ts';
import type { MigrationPlan, MigrationTarget } from '../connection/migration-plan.ts';
import type { ReplayRequest, ReplayResult } from '../delivery/replay.ts';
import type { Cloud } from '../entra/clouds.ts';
import type { ListenerEnv, RequestFacts } from '../gateway/listener.ts';
import type { Pressure } from '../gateway/pressure.ts';
import type { RateLimits } from '../gateway/rate.ts';
import type { After, Sharing } from '../joining.ts';
import type { RouteLookup } from '../routing/lookup.ts';
import type { Sealer } from '../secrets/seal.ts';
import type { AlertTarget } from '../store/alerts/targets.ts';
import type { ChangeListener } from '../store/change-feed.ts';
import type { ConsentApplication } from '../store/consents.ts';
import type { Sql } from '../store/database.ts';
import type { HistoryOrigin } from '../store/history.ts';
import type { InstanceKeys } from '../store/instance-keys.ts';
import type { Instance, InstanceDirectory } from '../store/instances/instance.ts';
import type { MoveKey } from '../store/moves/move.ts';
import type { Assignments } from '../store/operators.ts';
import type { ConfirmStep, Role } from '../store/row-types.ts';
import type { Tenant, TenantDirectory } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import type { Turns } from '../untrusted/turns.ts';
import type { EntraOperators } from './operators/entra-settings.ts';
import type { EffectiveSetting } from './settings/effective-setting.ts';
import type { OneTimeLink } from './sign-in/one-time-link.ts';

/** The author of a request: a key of the database, the bootstrap key, or a person who signed in with Entra. */
export interface Operator {
  readonly kind: 'bootstrap' | 'key' | 'user';
  readonly name: string;
  /** The key's id, or the person's object id in Entra; undefined: the bootstrap key, which is no row. */
  readonly id: string | undefined;
  /** The tenant that signed the person or application in; undefined for keys. */
  readonly entraTenantId?: string;
  readonly role: Role;
  /** undefined: every tenant. */
  readonly tenantIds: readonly string[] | undefined;
}

/** A browser's session that the request's cookie belongs to. */
export interface OperatorSession {
  readonly sessionId: string;
  /** However busy it is, it ends then. */
  readonly expiresAt: Date;
  /** Token that a writing request has to show beside the cookie. */
  readonly csrfToken: () => Promise<string>;
}

/** A request that waited for a second operator, as it is made again inside this process. */
export interface ApprovedRequest {
  /** The asking operator, as that key or person may act now. */
  readonly operator: Operator;
  readonly approvedBy: string;
  /** Address that it was asked from. */
  readonly source: string | undefined;
  /** Number of devices that was approved. */
  readonly devices: number;
}

/**
 * Key among the bindings that the runtime gives with a request. A symbol: no header, path or body can name it, so a
 * request that carries it was made by `carryOut` and by nobody else.
 */
export const approvedRequest: unique symbol = Symbol('a request that a second operator approved');

/** The same kind of key: calls that one page of the console makes (`CallApi`) have the same object there. */
export const askingPage: unique symbol = Symbol('a page of the console that asks');

/** A request from outside, with whatever it asks of the API inside this process, as the console's pages do. */
export interface OutsideRequest {
  /** Gives back what it holds of its operator's share; undefined: it holds nothing. */
  leave: (() => void) | undefined;
}

/** Key among the bindings, as `approvedRequest`. */
export const outsideRequest: unique symbol = Symbol('a request from outside');

export interface AdminEnv extends ListenerEnv {
  /** Bindings of the runtime, or of `carryOut` (approvals/carry-out.ts). */
  Bindings: ListenerEnv['Bindings'] & {
    [approvedRequest]?: ApprovedRequest;
    [askingPage]?: object;
    [outsideRequest]?: OutsideRequest;
  };
  Variables: ListenerEnv['Variables'] & {
    operator: Operator;
    /**
     * Identifies the owner of the request's credential by now, without counting as its use; rejects when it opens
     * nothing any more.
     */
    identify: () => Promise<Operator>;
    /** undefined: a key or a token was shown. */
    session: OperatorSession | undefined;
    /** Address that the request came from, where the runtime knows it. */
    source: string | undefined;
    /** The second operator, when this is a request that waited for one. */
    approvedBy: string | undefined;
    /** Reason given in the header (reason.ts). */
    reason: string | undefined;
    /** True where the history holds what this request did, or it did nothing. */
    recorded: boolean | undefined;
  };
}

export type AdminApp = OpenAPIHono<AdminEnv>;

/** Confirms or enables a tenant, step by step; it goes on when nobody waits for it any more. */
export type Confirm = (tenant: Tenant, by: HistoryOrigin, observer?: ConfirmObserver) => Promise<Confirmed>;

/** Result of leaving, or the state that does not allow it. */
export type Departure =
  | { readonly ok: true; readonly before: string; readonly after: string }
  | { readonly ok: false; readonly state: string };

/** Result of a permission check (contract section 11). */
export interface PermissionAnswer {
  readonly checkedAt: string;
  readonly applications: readonly {
    readonly app: string;
    readonly state: string;
    readonly expected: readonly string[];
    readonly granted: readonly string[];
    readonly missing: readonly string[];
    readonly extra: readonly string[];
    readonly problem?: {
      readonly cause: string;
      readonly detail: string;
      readonly remedy: string;
      readonly owner: string;
    };
  }[];
}

export interface StreamedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array>;
  /** Is called once: all of it was taken, or nobody takes it any more. It must not reject. */
  readonly onEnd?: () => Promise<void>;
}

/** SHA-256 of what comes in pieces. */
export interface StreamDigest {
  update(bytes: Uint8Array): void;
  /** Lower case; call it once. */
  hex(): string;
}

/** What the process remembers for the time in which the database is away. */
export interface OutageMemory {
  /** Age of what is remembered; undefined: the database is there, or nothing may be served. */
  readonly degradedSeconds: () => number | undefined;
  /** The tenants that an operator was bound to; undefined: nobody knows. */
  readonly bindingOf: Assignments['bindingOf'];
  readonly route: RouteLookup['peek'];
}

/** Services that the admin API needs of the rest; composed by the runtime. */
export interface AdminServices {
  /** `request` where a request must wait for nothing that another one began (Workers). */
  readonly sharing: Sharing;
  /** Takes work that goes on after the answer; it must not reject. */
  readonly after: After;
  readonly sql: Sql;
  readonly rateLimits: RateLimits;
  /** Of the machine, which have its limits together. */
  readonly processes: number;
  /** By which large lists and exports give way to everybody else. */
  readonly turns: Turns;
  readonly log: Log;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly version: string;
  /** The settings in force, with secrets masked. */
  readonly settings: readonly EffectiveSetting[];
  readonly facts: Pick<
    RequestFacts,
    'allowTime' | 'body' | 'breakOff' | 'headerCount' | 'readBody' | 'remoteAddress' | 'target'
  >;
  /** Streams an answer. On Node it resolves when the answer has ended, on Workers when it has begun. */
  readonly respond: (c: Context, answer: StreamedAnswer) => Response | Promise<Response>;
  /** A client with one connection, for what keeps it for minutes; whoever opens it ends it. */
  readonly openBulk: () => Sql;
  readonly bulkAtOnce: { readonly imports: number; readonly exports: number };
  /** Absent: nothing is refused for the load. */
  readonly pressure: Pressure | undefined;
  readonly digest: () => StreamDigest;
  readonly tenants: TenantDirectory;
  readonly instances: InstanceDirectory;
  readonly outage: OutageMemory;
  readonly instanceKeys: Pick<InstanceKeys, 'forgetAll'>;
  readonly sealer: Sealer;
  /** Reads `env:NAME` or `file:/path`; throws `SecretUnreadable`. */
  readonly readReference: (reference: string) => Promise<string>;
  /** Decides whether the address rule allows a host as it resolves now; one that does not resolve may come up later. */
  readonly mayConnect: (hostname: string) => Promise<boolean>;
  /** False where a call cannot be checked against an instance's own certificate authority (Workers). */
  readonly instanceAuthorities: boolean;
  readonly bootstrapKey: string | undefined;
  /** True where requests that touch many devices wait for a second operator. */
  readonly approvals: boolean;
  /** undefined: nobody signs in with Entra, only keys open the API. */
  readonly operators: EntraOperators | undefined;
  /** undefined: everywhere but in the demo, or where the admin listener can be reached from elsewhere. */
  readonly oneTimeLink: OneTimeLink | undefined;
  /** Origin of the admin listener as browsers see it; known once it listens. */
  readonly adminUrl: () => string;
  /** True where instances are polled, and where they are reconciled without being asked for it. */
  readonly polls: boolean;
  readonly reconciles: boolean;
  readonly publicUrl: string;
  /** True where the cloud has the optional diagnostic application. */
  readonly hasDiagnostic: (cloud: string) => boolean;
  /** True where Graph is asked for change notifications at all. */
  readonly notifies: boolean;
  /** Reason why this cloud's tenants cannot connect, when no application is configured for it. */
  readonly missingApplication: (cloud: string) => string | undefined;
  /** The applications that the tenant's administrator agrees to, in this order; none for one with its own. */
  readonly consentApplications: (
    tenant: Pick<Tenant, 'cloud' | 'connectionType'>,
  ) => readonly { readonly app: ConsentApplication; readonly clientId: string }[];
  readonly connect: (
    tenant: Tenant,
    by: HistoryOrigin,
  ) => Promise<{ consentUrls: { app: string; url: string }[]; expiresAt: Date }>;
  readonly confirm: Confirm;
  readonly enable: Confirm;
  readonly disable: (tenant: Tenant, by: HistoryOrigin) => Promise<Departure>;
  readonly disconnect: (
    tenant: Tenant,
    retract: boolean,
    by: HistoryOrigin,
  ) => Promise<Departure & { readonly retracting?: number }>;
  /** Plans a change of mode or connection type; changes nothing. */
  readonly planMigration: (tenant: Tenant, to: MigrationTarget) => Promise<MigrationPlan>;
  /** Takes the steps of it that Espalier itself can take. */
  readonly migrate: (tenant: Tenant, to: MigrationTarget, by: HistoryOrigin) => Promise<MigrationResult>;
  /** Makes the tenant's reports due again; returns how many. */
  readonly resync: (tenantId: string, by: HistoryOrigin) => Promise<number>;
  /** Makes the reports that a filter matches due again. */
  readonly replay: (request: ReplayRequest) => Promise<ReplayResult>;
  /** Takes a move as far as it is to go, for some seconds; what is left follows by itself. */
  readonly continueMove: (key: MoveKey) => Promise<void>;
  /** Instances were added, removed, enabled or disabled: the last one's end deprovisions the tenant. */
  readonly announceInstances: (tenantId: string) => Promise<void>;
  /** undefined: the cloud has no application. */
  readonly checkPermissions: (tenant: Tenant) => Promise<PermissionAnswer | undefined>;
  readonly testInstance: (instance: Instance) => Promise<readonly ConfirmStep[]>;
  /** Throws `conflict` where nothing shows that the tenant lives at the deployment with this base URL. */
  readonly checkLivesAt: (tenantId: string, to: string) => Promise<void>;
  /** Sends a test to a target of alerts; one that takes it is told everything again. */
  readonly testAlertTarget: (target: AlertTarget) => Promise<Posted>;
  /** Routes were written and committed: the processes that remember them are told. */
  readonly routesChanged: () => void;
  /** Tells of what any process changed in the database; is not asked where requests share nothing. */
  readonly onChanges: (listener: ChangeListener) => void;
  /** Aborted when the process begins to end: what would last is ended. Undefined: nothing here outlasts its request. */
  readonly ending: AbortSignal | undefined;
  /** The certificates of our own applications and listeners, and when they run out. */
  readonly certificateExpiry: () => readonly ExpiringCertificate[];
  /** Authority and names of certificates by ACME; undefined: none comes so. */
  readonly acme: { readonly directory: string; readonly names: readonly string[] } | undefined;
}
