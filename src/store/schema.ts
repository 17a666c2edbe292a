import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';

/**
 * What Espalier keeps; meaning and retention are in docs/data.md. Every key and foreign key starts with the
 * tenant (design D5): isolation by construction. No token of Microsoft's is stored.
 */

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

export const tenants = pgTable('tenants', {
  tenantId: uuid('tenant_id').primaryKey(),
  cloud: text('cloud').notNull(),
  displayName: text('display_name').notNull(),
  mode: text('mode').notNull(),
  connectionType: text('connection_type').notNull(),
  /** Its own application, used while the type is `manual`: clientId, and the secret sealed or by reference. */
  application: jsonb('application'),
  landing: jsonb('landing').notNull(),
  partnerGroup: jsonb('partner_group'),
  /** src/connection/state.ts. */
  connectionState: text('connection_state').notNull().default('new'),
  /** Why delivery is held although connected, with who must act; null when it is not. */
  hold: jsonb('hold'),
  paused: boolean('paused').notNull().default(false),
  /** Intune asked (429, `Retry-After`) that this tenant be silent until then. */
  intuneQuietUntil: at('intune_quiet_until'),
  connectedAt: at('connected_at'),
  lastHeartbeatAt: at('last_heartbeat_at'),
  /** When a process last took it upon itself to send one. */
  lastHeartbeatTryAt: at('last_heartbeat_try_at'),
  lastConfirmAt: at('last_confirm_at'),
  nextHeartbeatAt: at('next_heartbeat_at'),
  partnerState: jsonb('partner_state'),
  partnerStateAt: at('partner_state_at'),
  /** When Intune's side ended the connection, and when it marks and removes the devices. */
  terminatedAt: at('terminated_at'),
  devicesMarkedAt: at('devices_marked_at'),
  devicesRemovedAt: at('devices_removed_at'),
  /** A deprovisioning that Intune has not confirmed yet; sent by whichever process takes it. */
  deprovisionWanted: boolean('deprovision_wanted').notNull().default(false),
  deprovisionTryAt: at('deprovision_try_at'),
  deprovisionedAt: at('deprovisioned_at'),
  /** The last enabled instance was removed; the connection ends when what it left to tell has been told. */
  lastInstanceGone: boolean('last_instance_gone').notNull().default(false),
  /** The last `ResyncTimestamp` of a heartbeat that was acted on, as Intune wrote it. */
  resyncTimestamp: text('resync_timestamp'),
  /** `MessageErrors` of the last heartbeat that had any. */
  messageErrors: jsonb('message_errors'),
  permissions: jsonb('permissions'),
  permissionsCheckedAt: at('permissions_checked_at'),
  version: integer('version').notNull().default(1),
  createdAt: at('created_at').notNull().defaultNow(),
  updatedAt: at('updated_at').notNull().defaultNow(),
});

export const consents = pgTable(
  'consents',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    /** SHA-256 of the single-use state parameter. */
    stateHash: text('state_hash').notNull(),
    application: text('application').notNull(),
    expiresAt: at('expires_at').notNull(),
    usedAt: at('used_at'),
    outcome: text('outcome'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.stateHash] })],
);

export const instances = pgTable(
  'instances',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    instanceId: uuid('instance_id').notNull(),
    name: text('name').notNull(),
    url: text('url').notNull(),
    apiClientId: text('api_client_id').notNull(),
    /** Sealed with the row as associated data, or null when the secret is a reference. */
    apiSecretSealed: text('api_secret_sealed'),
    /** `env:NAME` or `file:PATH`. */
    apiSecretRef: text('api_secret_ref'),
    compliance: jsonb('compliance').notNull(),
    caCertificate: text('ca_certificate'),
    clientCertificateSha256: text('client_certificate_sha256'),
    enabled: boolean('enabled').notNull().default(true),
    paused: boolean('paused').notNull().default(false),
    jamfVersion: text('jamf_version'),
    lastSeenAt: at('last_seen_at'),
    lastErrorAt: at('last_error_at'),
    lastError: text('last_error'),
    version: integer('version').notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.instanceId] }),
    uniqueIndex('instances_name').on(t.tenantId, t.name),
    // The data listener's paths carry the instance alone; a client certificate has to find its tenant.
    uniqueIndex('instances_id').on(t.instanceId),
  ],
);

export const instanceKeys = pgTable(
  'instance_keys',
  {
    tenantId: uuid('tenant_id').notNull(),
    instanceId: uuid('instance_id').notNull(),
    keyId: uuid('key_id').notNull(),
    name: text('name').notNull(),
    keyHash: text('key_hash').notNull(),
    /** The key's first characters, so that an operator can tell two apart. */
    prefix: text('prefix').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at'),
    lastUsedAt: at('last_used_at'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.instanceId, t.keyId] }),
    foreignKey({
      columns: [t.tenantId, t.instanceId],
      foreignColumns: [instances.tenantId, instances.instanceId],
    }).onDelete('cascade'),
    uniqueIndex('instance_keys_hash').on(t.keyHash),
  ],
);

/** Operators' keys. Not a tenant's object: a key may be bound to several tenants, or to none. */
export const apiKeys = pgTable(
  'api_keys',
  {
    keyId: uuid('key_id').primaryKey(),
    name: text('name').notNull(),
    role: text('role').notNull(),
    /** null: every tenant. */
    tenantIds: uuid('tenant_ids').array(),
    keyHash: text('key_hash').notNull(),
    prefix: text('prefix').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at'),
    lastUsedAt: at('last_used_at'),
    /** A revoked key stays as a row: the bootstrap key must not come back with the last one's end. */
    revokedAt: at('revoked_at'),
  },
  (t) => [uniqueIndex('api_keys_hash').on(t.keyHash)],
);

/** How far an instance's computers are known without its webhooks, and which process reads from it. */
export const instanceReading = pgTable(
  'instance_reading',
  {
    tenantId: uuid('tenant_id').notNull(),
    instanceId: uuid('instance_id').notNull(),
    /** One process at a time reads from an instance, so that its bound on requests holds over all of them. */
    readerOwner: uuid('reader_owner'),
    readerUntil: at('reader_until'),
    nextPollAt: at('next_poll_at').notNull().defaultNow(),
    /** Newest `general.reportDate` that a poll has seen; null: none yet. */
    pollCursor: at('poll_cursor'),
    polledAt: at('polled_at'),
    pollError: text('poll_error'),
    nextReconcileAt: at('next_reconcile_at').notNull().defaultNow(),
    /** A reconciliation that is under way, and the last id that it has seen. */
    reconcileStartedAt: at('reconcile_started_at'),
    reconcileAfterId: integer('reconcile_after_id'),
    reconciledAt: at('reconciled_at'),
    reconcileError: text('reconcile_error'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.instanceId] }),
    foreignKey({
      columns: [t.tenantId, t.instanceId],
      foreignColumns: [instances.tenantId, instances.instanceId],
    }).onDelete('cascade'),
    index('instance_reading_poll').on(t.nextPollAt),
    index('instance_reading_reconcile').on(t.nextReconcileAt),
  ],
);

/** One row: when a gateway last watched this database. A gap means a restored dump or a long stop. */
export const watch = pgTable('watch', {
  one: boolean('one').primaryKey().default(true),
  watchedAt: at('watched_at').notNull().defaultNow(),
});

/** Stage one: a computer that is due to be read from its instance. */
export const computers = pgTable(
  'computers',
  {
    tenantId: uuid('tenant_id').notNull(),
    instanceId: uuid('instance_id').notNull(),
    jamfComputerId: integer('jamf_computer_id').notNull(),
    wantedRevision: bigint('wanted_revision', { mode: 'number' }).notNull().default(1),
    doneRevision: bigint('done_revision', { mode: 'number' }).notNull().default(0),
    /** The newest pushed record that was not yet taken in, as it came. Text: it is only passed on (design D9). */
    pushedRecord: text('pushed_record'),
    pushedReportAt: at('pushed_report_at'),
    /** The revision that it made due: a later one asks for the instance's own word. */
    pushedRevision: bigint('pushed_revision', { mode: 'number' }),
    /** False while a pushed record is the newest that is known: reading it does not wait for the instance. */
    needsInstance: boolean('needs_instance')
      .notNull()
      .generatedAlwaysAs(sql`pushed_revision is distinct from wanted_revision`),
    /** Since when the instance says that it does not know the computer. */
    notFoundSince: at('not_found_since'),
    /** When that was taken for its deletion; null again when the instance knows it. */
    goneAt: at('gone_at'),
    /** `general.reportDate` of the record that was last taken in: an older one has no effect. */
    reportAt: at('report_at'),
    udid: text('udid'),
    serialNumber: text('serial_number'),
    /** When the computer is looked at; null: it is not due. */
    nextTryAt: at('next_try_at').defaultNow(),
    /** Of a resync, a replay or a reconciliation: waits for what is fresh. */
    background: boolean('background').notNull().default(false),
    leaseUntil: at('lease_until'),
    leaseOwner: uuid('lease_owner'),
    attempts: integer('attempts').notNull().default(0),
    lastError: text('last_error'),
    /** Of what made it due, so that a trace goes on here. */
    traceparent: text('traceparent'),
    /** When the oldest webhook or push came that was not acted on yet. */
    receivedAt: at('received_at'),
    firstSeenAt: at('first_seen_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.instanceId, t.jamfComputerId] }),
    foreignKey({
      columns: [t.tenantId, t.instanceId],
      foreignColumns: [instances.tenantId, instances.instanceId],
    }).onDelete('cascade'),
    // No column that changes while a row is in work: only its end writes to the index (docs/data.md).
    index('computers_due')
      .on(t.tenantId, t.instanceId, t.needsInstance, t.background, t.nextTryAt)
      .where(sql`next_try_at is not null`),
    check('computers_due_has_time', sql`wanted_revision <= done_revision or next_try_at is not null`),
  ],
);

/** What each instance says of a device: every instance's claim is kept, the winner is the route. */
export const claims = pgTable(
  'claims',
  {
    tenantId: uuid('tenant_id').notNull(),
    deviceId: uuid('device_id').notNull(),
    instanceId: uuid('instance_id').notNull(),
    jamfComputerId: integer('jamf_computer_id').notNull(),
    userId: uuid('user_id'),
    serialNumber: text('serial_number'),
    udid: text('udid'),
    lastEnrolledAt: at('last_enrolled_at'),
    lastCheckInAt: at('last_check_in_at'),
    reportAt: at('report_at'),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.deviceId, t.instanceId, t.jamfComputerId] }),
    foreignKey({
      columns: [t.tenantId, t.instanceId],
      foreignColumns: [instances.tenantId, instances.instanceId],
    }).onDelete('cascade'),
    index('claims_computer').on(t.tenantId, t.instanceId, t.jamfComputerId),
  ],
);

export const routes = pgTable(
  'routes',
  {
    tenantId: uuid('tenant_id').notNull(),
    deviceId: uuid('device_id').notNull(),
    instanceId: uuid('instance_id').notNull(),
    jamfComputerId: integer('jamf_computer_id').notNull(),
    serialNumber: text('serial_number'),
    udid: text('udid'),
    pinned: boolean('pinned').notNull().default(false),
    /** Which rule chose: src/routing/rules.ts. */
    rule: text('rule').notNull(),
    since: at('since').notNull().defaultNow(),
    version: bigint('version', { mode: 'number' }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.deviceId] }),
    foreignKey({
      columns: [t.tenantId, t.instanceId],
      foreignColumns: [instances.tenantId, instances.instanceId],
    }),
    index('routes_instance').on(t.tenantId, t.instanceId),
  ],
);

/** Every change of a route, appended. */
export const routeChanges = pgTable(
  'route_changes',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    version: bigint('version', { mode: 'number' }).notNull(),
    deviceId: uuid('device_id').notNull(),
    fromInstanceId: uuid('from_instance_id'),
    fromJamfComputerId: integer('from_jamf_computer_id'),
    toInstanceId: uuid('to_instance_id'),
    toJamfComputerId: integer('to_jamf_computer_id'),
    pinned: boolean('pinned').notNull(),
    rule: text('rule').notNull(),
    author: text('author').notNull(),
    reason: text('reason').notNull(),
    changedAt: at('changed_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.version, t.deviceId] }),
    index('route_changes_device').on(t.tenantId, t.deviceId, t.version),
  ],
);

/** The last route version of each tenant. */
export const routeVersions = pgTable('route_versions', {
  tenantId: uuid('tenant_id')
    .primaryKey()
    .references(() => tenants.tenantId, { onDelete: 'cascade' }),
  version: bigint('version', { mode: 'number' }).notNull().default(0),
});

/** Stage two: a device that is due to be told to Intune. */
export const reports = pgTable(
  'reports',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    deviceId: uuid('device_id').notNull(),
    /** The newest state that Intune should hold (src/delivery/reports/report.ts), as JSON text. */
    content: text('content').notNull(),
    /** Hash of what matters in it: an unchanged state is not told again. */
    contentHash: text('content_hash').notNull(),
    /** Where the state comes from; it may outlive the instance, to say that the device is not managed any more. */
    instanceId: uuid('instance_id').notNull(),
    lastCheckInAt: at('last_check_in_at'),
    revision: bigint('revision', { mode: 'number' }).notNull().default(1),
    /** The revision that Intune has confirmed; smaller than `revision` means due. */
    confirmedRevision: bigint('confirmed_revision', { mode: 'number' }).notNull().default(0),
    /** `due`, `held`, `sent`, `accepted`, `completed`, `verified`, `failed` (contract section 7). */
    state: text('state').notNull().default('due'),
    reason: text('reason'),
    detail: text('detail'),
    /** The message that carries `sentRevision`, stored before it is sent. */
    messageId: uuid('message_id'),
    sentRevision: bigint('sent_revision', { mode: 'number' }),
    /** This device's entities in that message, a JSON array as text. */
    sentContent: text('sent_content'),
    /** Devices in that message, and its `UploadTime`: with them it can be sent again to the letter. */
    messageDevices: integer('message_devices'),
    messageAt: at('message_at'),
    /** From when it is stored until its outcome is known: till then it may only be sent again as it is. */
    messageOpen: boolean('message_open').notNull().default(false),
    /** Its message was refused together with others: it goes alone, so that it blocks nobody. */
    alone: boolean('alone').notNull().default(false),
    /** Read before a time in which no gateway watched: the instance is asked before this is told. */
    readAgain: boolean('read_again').notNull().default(false),
    /** Since when Intune does not hold the newest state. */
    dueSince: at('due_since').defaultNow(),
    failedAt: at('failed_at'),
    /** Strictly increases per device (contract section 7). */
    lastUpdateAt: at('last_update_at'),
    sentAt: at('sent_at'),
    acceptedAt: at('accepted_at'),
    completedAt: at('completed_at'),
    verifiedAt: at('verified_at'),
    /** `pending`, `not-sampled`, `not-applicable`, `verified`, `not-visible`, `differs`; null before completion. */
    verification: text('verification'),
    checkInToldAt: at('check_in_told_at'),
    /** When the report is looked at; null: nothing is to be done. */
    nextTryAt: at('next_try_at').defaultNow(),
    /** Of a resync or a replay: waits for what is fresh. */
    background: boolean('background').notNull().default(false),
    leaseUntil: at('lease_until'),
    leaseOwner: uuid('lease_owner'),
    attempts: integer('attempts').notNull().default(0),
    traceparent: text('traceparent'),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.deviceId] }),
    // No column that changes while a row is in work, `state` least of all (docs/data.md).
    index('reports_due').on(t.tenantId, t.background, t.nextTryAt).where(sql`next_try_at is not null`),
    index('reports_failed').on(t.tenantId, t.failedAt).where(sql`failed_at is not null`),
    check(
      'reports_due_has_time',
      sql`state in ('completed', 'verified', 'failed') or next_try_at is not null`,
    ),
  ],
);

/** What happened to a device's state on its way, newest kept (src/limits.ts). */
export const timeline = pgTable(
  'timeline',
  {
    tenantId: uuid('tenant_id').notNull(),
    deviceId: uuid('device_id').notNull(),
    sequence: bigint('sequence', { mode: 'number' }).generatedAlwaysAsIdentity(),
    stage: text('stage').notNull(),
    at: at('at').notNull().defaultNow(),
    instanceId: uuid('instance_id'),
    messageId: uuid('message_id'),
    detail: text('detail'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.deviceId, t.sequence] })],
);
