import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { json } from './json-column.ts';
import type { AlertFacts, AlertFormat, Role } from './row-types.ts';

/**
 * Tables that hold Espalier's operators and their actions; meaning and retention are in docs/data.md. A row that
 * belongs to no tenant has the nil id as its tenant, so that every key begins with one all the same. None of them
 * refers to `tenants`: what was done to a tenant is still told when the tenant is gone.
 */

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** The audit trail: each entry is chained to the one before it in its tenant by hash (src/store/history.ts). */
export const history = pgTable(
  'history',
  {
    tenantId: uuid('tenant_id').notNull(),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
    recordedAt: at('recorded_at').notNull(),
    authorKind: text('author_kind').$type<'bootstrap' | 'gateway' | 'key' | 'user'>().notNull(),
    /** The key's id, or the user's object id in Entra. */
    authorId: text('author_id'),
    author: text('author').notNull(),
    /** `tenant.create`, `connection.disconnect`, …: what was done to what. */
    action: text('action').notNull(),
    objectKind: text('object_kind').notNull(),
    objectId: text('object_id').notNull(),
    objectName: text('object_name'),
    /** JSON as it was hashed: jsonb would put it in another order. Never a secret. */
    before: text('before'),
    after: text('after'),
    reason: text('reason'),
    requestId: text('request_id'),
    /** The address that the request came from. */
    source: text('source'),
    /** The second operator, where one was needed. */
    approvedBy: text('approved_by'),
    previousHash: text('previous_hash').notNull(),
    hash: text('hash').notNull(),
    /** What it said of a person was erased then; its hash stays, and the entry of the erasure names it. */
    erasedAt: at('erased_at'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.sequence] }),
    index('history_recorded').on(t.tenantId, t.recordedAt),
    index('history_time').on(t.recordedAt, t.tenantId, t.sequence),
    index('history_object').on(t.tenantId, t.objectKind, t.objectId),
  ],
);

/** The end of each chain; its lock orders the entries. */
export const historyHeads = pgTable('history_heads', {
  tenantId: uuid('tenant_id').primaryKey(),
  sequence: bigint('sequence', { mode: 'number' }).notNull().default(0),
  hash: text('hash').notNull().default(''),
  /** The last entry that retention removed: the chain begins after it. */
  trimmedSequence: bigint('trimmed_sequence', { mode: 'number' }).notNull().default(0),
  trimmedHash: text('trimmed_hash').notNull().default(''),
});

/** Answers to writes that carried an Idempotency-Key, for a day (contract section 8). */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    /** The operator that sent the key, such as `key:<id>`: two operators may choose the same one. */
    operator: text('operator').notNull(),
    idempotencyKey: text('idempotency_key').notNull(),
    /** SHA-256 of the operator's rights, method, target and body. */
    requestHash: text('request_hash').notNull(),
    /** Null while the first request is being answered. */
    status: integer('status'),
    headers: json<Readonly<Record<string, string>>>('headers'),
    /** Sealed: it may show a key that was just made. */
    bodySealed: text('body_sealed'),
    /** A request whose process died is taken up again after that. */
    busyUntil: at('busy_until').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.operator, t.idempotencyKey] }),
    index('idempotency_keys_expiry').on(t.expiresAt),
  ],
);

export const approvalStates = ['waiting', 'approved', 'done', 'failed', 'rejected', 'expired'] as const;
export type ApprovalState = (typeof approvalStates)[number];

/** Requests that wait for a second operator (`ESPALIER_APPROVALS`), and what became of them. */
export const approvals = pgTable(
  'approvals',
  {
    tenantId: uuid('tenant_id').notNull(),
    approvalId: uuid('approval_id').notNull(),
    /** `waiting`, `approved` (being carried out), `done`, `failed`, `rejected`, `expired`. */
    state: text('state').$type<ApprovalState>().notNull().default('waiting'),
    /** Same values as in `history`. */
    action: text('action').notNull(),
    summary: text('summary').notNull(),
    devices: integer('devices').notNull(),
    /** The request as it is made again, path and query in `target`: it is checked anew then. */
    method: text('method').notNull(),
    target: text('target').notNull(),
    ifMatch: text('if_match'),
    bodySealed: text('body_sealed'),
    requestedKind: text('requested_kind').$type<'bootstrap' | 'key' | 'user'>().notNull(),
    requestedId: text('requested_id'),
    /** The tenant that signed in who asked; null for keys. */
    requestedEntraTenantId: uuid('requested_entra_tenant_id'),
    requestedBy: text('requested_by').notNull(),
    requestedRole: text('requested_role').$type<Role>().notNull(),
    requestedTenantIds: uuid('requested_tenant_ids').array(),
    requestId: text('request_id'),
    source: text('source'),
    decidedKind: text('decided_kind'),
    decidedId: text('decided_id'),
    decidedBy: text('decided_by'),
    decidedAt: at('decided_at'),
    decisionReason: text('decision_reason'),
    /** Status of the answer to the request that was carried out; null: it was not made, or its end is not known. */
    status: integer('status'),
    /** The answer's body; without a status, why there is none. */
    answer: text('answer'),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
    version: integer('version').notNull().default(1),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.approvalId] }),
    index('approvals_waiting').on(t.tenantId, t.createdAt).where(sql`state = 'waiting'`),
  ],
);

/** Sign-ins on their way to Entra and back; single use, some minutes. */
export const signIns = pgTable(
  'sign_ins',
  {
    /** SHA-256 of the `state` parameter. */
    stateHash: text('state_hash').primaryKey(),
    /** SHA-256 of the cookie of the browser that began it. */
    browserHash: text('browser_hash').notNull(),
    cloud: text('cloud').notNull(),
    nonce: text('nonce').notNull(),
    /** PKCE's code verifier, sealed. */
    verifierSealed: text('verifier_sealed').notNull(),
    returnTo: text('return_to').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [index('sign_ins_expiry').on(t.expiresAt)],
);

/** Operators who are signed in with a browser. */
export const sessions = pgTable(
  'sessions',
  {
    /** SHA-256 of the cookie. */
    sessionHash: text('session_hash').primaryKey(),
    sessionId: uuid('session_id').notNull(),
    /** The person in Entra; null where a key was exchanged for the session. */
    entraTenantId: uuid('entra_tenant_id'),
    objectId: uuid('object_id'),
    /** SHA-256 of that key, which decides anew at each request what the session may. */
    keyHash: text('key_hash'),
    name: text('name').notNull(),
    role: text('role').$type<Role>().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    lastSeenAt: at('last_seen_at').notNull().defaultNow(),
    /** However busy it is, it ends then; idle ones end before (src/limits.ts). */
    expiresAt: at('expires_at').notNull(),
    endedAt: at('ended_at'),
  },
  (t) => [
    uniqueIndex('sessions_id').on(t.sessionId),
    index('sessions_person').on(t.entraTenantId, t.objectId),
    index('sessions_expiry').on(t.expiresAt),
  ],
);

/** Whom Entra has signed in here, and the tenants that they are bound to (src/store/operators.ts). */
export const operators = pgTable(
  'operators',
  {
    entraTenantId: uuid('entra_tenant_id').notNull(),
    /** Of the person, or of an application's service principal. The nil id: everybody of the Entra tenant. */
    objectId: uuid('object_id').notNull(),
    /** As the last token said; null: none was seen yet. */
    name: text('name'),
    role: text('role').$type<Role>(),
    lastSeenAt: at('last_seen_at'),
    /** Null with `assigned_at`: all tenants. */
    tenantIds: uuid('tenant_ids').array(),
    /** Null: there is no assignment in this row. */
    assignedAt: at('assigned_at'),
    version: integer('version').notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.entraTenantId, t.objectId] })],
);

/** Webhooks that are told what needs a person. Not a tenant's object: one may be for several, or for all. */
export const alertTargets = pgTable(
  'alert_targets',
  {
    targetId: uuid('target_id').primaryKey(),
    name: text('name').notNull(),
    format: text('format').$type<AlertFormat>().notNull(),
    /** null: every tenant, and the gateway itself. */
    tenantIds: uuid('tenant_ids').array(),
    /** null: every kind. */
    kinds: text('kinds').array(),
    /** True where the history is streamed to it too. */
    history: boolean('history').notNull(),
    enabled: boolean('enabled').notNull(),
    /** The origin of the address, which may be shown; the rest of it opens a chat to whoever has it. */
    address: text('address').notNull(),
    /** The whole address and the signing secret, sealed. */
    sealed: text('sealed').notNull(),
    /** Failed tries since a message was last taken. */
    attempts: integer('attempts').notNull().default(0),
    failingSince: at('failing_since'),
    /** Nothing is tried any more until a person changes or tests it. */
    givenUpAt: at('given_up_at'),
    lastError: text('last_error'),
    lastToldAt: at('last_told_at'),
    /** Also the lease of the process that tells it just now. */
    nextTryAt: at('next_try_at').notNull().defaultNow(),
    /** It was added or changed then: it is told what a look since then has found. */
    hearsSince: at('hears_since').notNull().defaultNow(),
    createdAt: at('created_at').notNull().defaultNow(),
    version: integer('version').notNull().default(1),
  },
  (t) => [index('alert_targets_next').on(t.nextTryAt).where(sql`enabled and given_up_at is null`)],
);

/** One row: when what needs a person is looked at next. */
export const alertSurvey = pgTable('alert_survey', {
  one: boolean('one').primaryKey().default(true),
  nextAt: at('next_at').notNull().defaultNow(),
  /** When the last look began that came to its end. */
  lookedAt: at('looked_at'),
});

/** Something that needs a person, from the survey that first saw it until those that do not see it any more. */
export const alerts = pgTable(
  'alerts',
  {
    tenantId: uuid('tenant_id').notNull(),
    alertId: uuid('alert_id').notNull(),
    kind: text('kind').notNull(),
    cause: text('cause').notNull(),
    /** The instance or target that it is about; empty: the tenant, or the gateway. */
    subject: text('subject').notNull(),
    facts: json<AlertFacts>('facts').notNull(),
    /** Surveys in a row that did not see it. */
    missed: integer('missed').notNull().default(0),
    openedAt: at('opened_at').notNull().defaultNow(),
    resolvedAt: at('resolved_at'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.alertId] }),
    uniqueIndex('alerts_open').on(t.tenantId, t.kind, t.cause, t.subject).where(sql`resolved_at is null`),
    index('alerts_resolved').on(t.resolvedAt).where(sql`resolved_at is not null`),
  ],
);

/** What a target is told of an alert, and in which message: written before it is sent, so that a repetition has the same id. */
export const alertTellings = pgTable(
  'alert_tellings',
  {
    tenantId: uuid('tenant_id').notNull(),
    /** No foreign key, for it would not begin with the tenant: what a target leaves goes with it (store/alerts/targets.ts). */
    targetId: uuid('target_id').notNull(),
    alertId: uuid('alert_id').notNull(),
    event: text('event').$type<'opened' | 'resolved'>().notNull(),
    messageId: uuid('message_id').notNull(),
    /** Null until the target has taken the message. */
    toldAt: at('told_at'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.targetId, t.alertId, t.event] }),
    foreignKey({
      columns: [t.tenantId, t.alertId],
      foreignColumns: [alerts.tenantId, alerts.alertId],
    }).onDelete('cascade'),
    index('alert_tellings_alert').on(t.tenantId, t.alertId),
    index('alert_tellings_unfinished').on(t.targetId).where(sql`told_at is null`),
    index('alert_tellings_target').on(t.targetId),
  ],
);

/** How far a tenant's history was streamed to a target. */
export const alertCursors = pgTable(
  'alert_cursors',
  {
    tenantId: uuid('tenant_id').notNull(),
    /** No foreign key, for it would not begin with the tenant: what a target leaves goes with it (store/alerts/targets.ts). */
    targetId: uuid('target_id').notNull(),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
    /** The last entry of the message that is under way; null: none is. */
    sendingTo: bigint('sending_to', { mode: 'number' }),
    toldAt: at('told_at'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.targetId] }), index('alert_cursors_target').on(t.targetId)],
);
