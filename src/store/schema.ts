import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  customType,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  real,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { json } from './json-column.ts';
import type {
  ChallengeKind,
  ComplianceSource,
  ConfirmStep,
  ConnectionState,
  ConnectionType,
  Hold,
  Landing,
  MassChangeMode,
  MassChangeState,
  Mode,
  MoveState,
  PartnerState,
  PermissionSummary,
  ReportState,
  Role,
  ScheduleKind,
  StoredApplication,
  SubscribedResource,
  SubscriptionState,
} from './row-types.ts';

/**
 * What Espalier keeps; meaning and retention are in docs/data.md. Every key and foreign key starts with the
 * tenant (design D5): isolation by construction. No token of Microsoft's is stored.
 */

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** A transaction's number that does not wrap around. */
const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' });

export const tenants = pgTable(
  'tenants',
  {
    tenantId: uuid('tenant_id').primaryKey(),
    cloud: text('cloud').notNull(),
    displayName: text('display_name').notNull(),
    mode: text('mode').$type<Mode>().notNull(),
    connectionType: text('connection_type').$type<ConnectionType>().notNull(),
    /** Its own application, used while the type is `manual`: clientId, and the secret sealed or by reference. */
    application: json<StoredApplication>('application'),
    landing: json<Landing>('landing').notNull(),
    partnerGroup: json<{ readonly id?: string; readonly displayName?: string }>('partner_group'),
    /** Words of operators' own, in order, by which each of several teams finds its tenants. */
    tags: text('tags').array().notNull().default(sql`'{}'`),
    /** src/connection/state.ts. */
    connectionState: text('connection_state').$type<ConnectionState>().notNull().default('new'),
    /** Reason why delivery is held although connected, with who must act; null when it is not. */
    hold: json<Hold>('hold'),
    paused: boolean('paused').notNull().default(false),
    /** Intune asked (429, `Retry-After`) that this tenant be silent until then. */
    intuneQuietUntil: at('intune_quiet_until'),
    connectedAt: at('connected_at'),
    lastHeartbeatAt: at('last_heartbeat_at'),
    /** Time at which a process last undertook to send one. */
    lastHeartbeatTryAt: at('last_heartbeat_try_at'),
    lastConfirmAt: at('last_confirm_at'),
    nextHeartbeatAt: at('next_heartbeat_at'),
    partnerState: json<PartnerState>('partner_state'),
    partnerStateAt: at('partner_state_at'),
    /** Times at which Intune's side ended the connection, and marks and removes the devices. */
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
    messageErrors: json<readonly unknown[]>('message_errors'),
    permissions: json<PermissionSummary>('permissions'),
    permissionsCheckedAt: at('permissions_checked_at'),
    version: integer('version').notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    // One for each look that is repeated every few seconds: it finds what is due, and not every tenant.
    index('tenants_heartbeat')
      .on(sql`coalesce(next_heartbeat_at, '-infinity'::timestamptz)`)
      .where(sql`connection_state = 'connected' and not paused`),
    index('tenants_partner_state')
      .on(sql`coalesce(partner_state_at, '-infinity'::timestamptz)`)
      .where(sql`connection_state = 'connected'`),
    index('tenants_permissions')
      .on(sql`coalesce(permissions_checked_at, '-infinity'::timestamptz)`)
      .where(sql`connection_state = 'connected'`),
    index('tenants_deprovision')
      .on(sql`coalesce(deprovision_try_at, '-infinity'::timestamptz)`)
      .where(sql`deprovision_wanted`),
    index('tenants_disconnecting').on(t.tenantId).where(sql`connection_state = 'disconnecting'`),
    index('tenants_last_instance_gone')
      .on(t.tenantId)
      .where(sql`connection_state = 'connected' and last_instance_gone`),
  ],
);

/**
 * Tenants that were moved between deployments (docs/cells.md), and where they stand here. It outlives its tenant, so that an
 * older file of one that has moved on is known as older.
 */
export const placements = pgTable('placements', {
  tenantId: uuid('tenant_id').primaryKey(),
  /** Rises with every departure: of two deployments the one with the larger number is ahead. */
  generation: integer('generation').notNull(),
  /** The departure that the generation began with. */
  moveId: uuid('move_id').notNull(),
  /** Since then nothing is done for the tenant here; null: it lives here. */
  fencedAt: at('fenced_at'),
  /** A sealed file was given out first. */
  sealedAt: at('sealed_at'),
  arrivedAt: at('arrived_at'),
  /** Public URL of the deployment that the tenant went to: what comes here is passed on to it. */
  relayTo: text('relay_to'),
  relayUntil: at('relay_until'),
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
    /** Microsoft's explanation, where it refused. */
    detail: text('detail'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.stateHash] })],
);

/** The newest `confirm` or `enable` of a tenant, while it is at work and after it. */
export const confirmations = pgTable('confirmations', {
  tenantId: uuid('tenant_id')
    .primaryKey()
    .references(() => tenants.tenantId, { onDelete: 'cascade' }),
  /** A newer one takes the row over; what an older one has still to say is dropped. */
  confirmationId: uuid('confirmation_id').notNull(),
  enabling: boolean('enabling').notNull(),
  startedAt: at('started_at').notNull().defaultNow(),
  /** Renewed while the process that does it lives. */
  renewedAt: at('renewed_at').notNull().defaultNow(),
  endedAt: at('ended_at'),
  steps: json<readonly ConfirmStep[]>('steps').notNull(),
});

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
    compliance: json<ComplianceSource>('compliance').notNull(),
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
    // Read at each scrape, beside a list of all instances that is kept.
    index('instances_down').on(t.tenantId, t.instanceId).where(sql`enabled and last_error is not null`),
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
    role: text('role').$type<Role>().notNull(),
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

/** Progress of reading an instance's computers without its webhooks, and the process that reads from it. */
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
    /** Time of the next pass through the instance's list for ids that a large event named; null: none wait. */
    nextLearnAt: at('next_learn_at'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.instanceId] }),
    foreignKey({
      columns: [t.tenantId, t.instanceId],
      foreignColumns: [instances.tenantId, instances.instanceId],
    }).onDelete('cascade'),
    index('instance_reading_poll').on(t.nextPollAt),
    index('instance_reading_reconcile').on(t.nextReconcileAt),
    index('instance_reading_learn').on(t.nextLearnAt).where(sql`next_learn_at is not null`),
  ],
);

/** An id that an event with very many named and that was not known: the instance's list says whether there is one. */
export const namedComputers = pgTable(
  'named_computers',
  {
    tenantId: uuid('tenant_id').notNull(),
    instanceId: uuid('instance_id').notNull(),
    jamfComputerId: integer('jamf_computer_id').notNull(),
    namedAt: at('named_at').notNull().defaultNow(),
    traceparent: text('traceparent'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.instanceId, t.jamfComputerId] }),
    foreignKey({
      columns: [t.tenantId, t.instanceId],
      foreignColumns: [instances.tenantId, instances.instanceId],
    }).onDelete('cascade'),
  ],
);

/** One row: when a gateway last watched this database. A gap means a restored dump or a long stop. */
export const watch = pgTable('watch', {
  one: boolean('one').primaryKey().default(true),
  watchedAt: at('watched_at').notNull().defaultNow(),
});

/** Processes that remember check-ins (store/computers/check-in-marks.ts), while they live. */
export const checkInKeepers = pgTable('check_in_keepers', {
  keeperId: uuid('keeper_id').primaryKey(),
  /** End of the lease: one that ran out may have lost what it remembered. */
  until: at('until').notNull(),
});

/** A process remembers check-ins of this instance; written before the first of them is answered. */
export const checkInMarks = pgTable(
  'check_in_marks',
  {
    tenantId: uuid('tenant_id').notNull(),
    instanceId: uuid('instance_id').notNull(),
    keeperId: uuid('keeper_id').notNull(),
    /** A process that marks anew what it has just begun to unmark writes a later one. */
    generation: integer('generation').notNull(),
    /** `ESPALIER_CHECK_IN_SECONDS` of that process. */
    periodSeconds: integer('period_seconds').notNull(),
    markedAt: at('marked_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.instanceId, t.keeperId] }),
    foreignKey({
      columns: [t.tenantId, t.instanceId],
      foreignColumns: [instances.tenantId, instances.instanceId],
    }).onDelete('cascade'),
  ],
);

/** Stage one: a computer that is due to be read from its instance. */
export const computers = pgTable(
  'computers',
  {
    tenantId: uuid('tenant_id').notNull(),
    instanceId: uuid('instance_id').notNull(),
    jamfComputerId: integer('jamf_computer_id').notNull(),
    /** The four revisions are defined in `store/computers/revisions.ts`. */
    wantedRevision: bigint('wanted_revision', { mode: 'number' }).notNull().default(1),
    doneRevision: bigint('done_revision', { mode: 'number' }).notNull().default(0),
    /** The newest pushed record that was not yet taken in, as it came. Text: it is only passed on (design D9). */
    pushedRecord: text('pushed_record'),
    pushedReportAt: at('pushed_report_at'),
    pushedRevision: bigint('pushed_revision', { mode: 'number' }),
    readRevision: bigint('read_revision', { mode: 'number' }),
    /** False while a pushed record waits to be taken in first: that does not wait for the instance. */
    needsInstance: boolean('needs_instance')
      .notNull()
      .generatedAlwaysAs(sql`pushed_revision is distinct from wanted_revision`),
    /** Time since which the instance says that it does not know the computer. */
    notFoundSince: at('not_found_since'),
    /** Time at which that was taken for its deletion; null again when the instance knows it. */
    goneAt: at('gone_at'),
    /** `general.reportDate` of the record that was last taken in, as it came; null: it had none. */
    reportAt: at('report_at'),
    /** Time of reading, for a record that was read and had no date; else null. */
    readAt: at('read_at'),
    /** Begin of the last read whose record was taken in; null: none yet, or the instance did not know the computer. */
    lastReadAt: at('last_read_at'),
    udid: text('udid'),
    serialNumber: text('serial_number'),
    /** Time from which the computer is worked on; null: it is not due. */
    nextTryAt: at('next_try_at').defaultNow(),
    /** True for the work of a resync, a replay or a reconciliation, which waits for what is fresh. */
    background: boolean('background').notNull().default(false),
    leaseUntil: at('lease_until'),
    leaseOwner: uuid('lease_owner'),
    attempts: integer('attempts').notNull().default(0),
    lastError: text('last_error'),
    /** The trace of the request that made it due goes on here. */
    traceparent: text('traceparent'),
    /** Arrival of the oldest webhook or push that was not acted on yet. */
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

/**
 * A computer whose row ended (store/computers/gone.ts): its newest date stays, so that an older record is known as one.
 */
export const computerTombstones = pgTable(
  'computer_tombstones',
  {
    tenantId: uuid('tenant_id').notNull(),
    instanceId: uuid('instance_id').notNull(),
    jamfComputerId: integer('jamf_computer_id').notNull(),
    /** The newest trusted `general.reportDate` that was taken in; null: none had one. */
    reportAt: at('report_at'),
    goneAt: at('gone_at').notNull(),
    endedAt: at('ended_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.instanceId, t.jamfComputerId] }),
    foreignKey({
      columns: [t.tenantId, t.instanceId],
      foreignColumns: [instances.tenantId, instances.instanceId],
    }).onDelete('cascade'),
    // Counts what ended within a day.
    index('computer_tombstones_ended').on(t.tenantId, t.instanceId, t.endedAt),
  ],
);

/**
 * When each schedule of delivery is looked at next: no row of `computers` or `reports` is due before an entry of its
 * schedule. Triggers add entries (migration 0026_schedules), `store/schedules.ts` ends them. A schedule may have several, so
 * that no writer ever waits for another one, and no foreign key: an entry without rows ends when it comes due.
 */
export const schedules = pgTable(
  'schedules',
  {
    tenantId: uuid('tenant_id').notNull(),
    /** The nil id for reports. */
    instanceId: uuid('instance_id').notNull(),
    kind: text('kind').$type<ScheduleKind>().notNull(),
    background: boolean('background').notNull(),
    dueAt: at('due_at').notNull(),
    entryId: uuid('entry_id').notNull().defaultRandom(),
  },
  (t) => [
    primaryKey({
      name: 'schedules_pk',
      columns: [t.tenantId, t.instanceId, t.kind, t.background, t.dueAt, t.entryId],
    }),
    // Partial, so that no plan looks for one schedule in the order of time.
    index('schedules_computers').on(t.dueAt).where(sql`kind in ('read', 'pushed')`),
    index('schedules_reports').on(t.dueAt).where(sql`kind = 'report'`),
  ],
);

/** One row: when the next survey of all schedules is due, by whichever process takes it. */
export const scheduleSurvey = pgTable('schedule_survey', {
  one: boolean('one').primaryKey().default(true),
  nextAt: at('next_at').notNull().defaultNow(),
});

/** Claims of all instances on a device: each is kept, and the winner becomes the route. */
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
    /**
     * This instance's verdict on the Mac (src/delivery/reports/report.ts): two that disagree are a conflict that hurts.
     */
    verdict: text('verdict'),
    /** The Mac has registered anew since and this registration is not used any more: the claim rests. */
    stale: boolean('stale').notNull().default(false),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.deviceId, t.instanceId, t.jamfComputerId] }),
    foreignKey({
      columns: [t.tenantId, t.instanceId],
      foreignColumns: [instances.tenantId, instances.instanceId],
    }).onDelete('cascade'),
    index('claims_computer').on(t.tenantId, t.instanceId, t.jamfComputerId),
    // The same Mac under another registration (domain/jamf.md 6.3, 6.4).
    index('claims_udid').on(t.tenantId, t.udid),
    index('claims_user').on(t.tenantId, t.userId),
    index('claims_serial_number').on(t.tenantId, t.serialNumber),
  ],
);

/**
 * The claims of a device as the rules saw them, appended, so that a past answer can be given again. A check-in alone is
 * recorded only where it can decide: where more than one claim stands.
 */
export const claimHistory = pgTable(
  'claim_history',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    deviceId: uuid('device_id').notNull(),
    sequence: bigint('sequence', { mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
    instanceId: uuid('instance_id').notNull(),
    jamfComputerId: integer('jamf_computer_id').notNull(),
    lastEnrolledAt: at('last_enrolled_at'),
    lastCheckInAt: at('last_check_in_at'),
    /** `active`, `resting` (its instance is disabled), `stale`, `withdrawn`. */
    state: text('state').notNull(),
    /** The wall clock under the device's lock, not the transaction's start. */
    recordedAt: at('recorded_at').notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.deviceId, t.sequence] }),
    // Finds the registrations that a computer carried before: a wiped Mac reports none for a while.
    index('claim_history_computer').on(t.tenantId, t.instanceId, t.jamfComputerId),
  ],
);

/** The same Mac under an older and a newer Entra registration. */
export const deviceLinks = pgTable(
  'device_links',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    deviceId: uuid('device_id').notNull(),
    previousDeviceId: uuid('previous_device_id').notNull(),
    /** Attribute that both registrations share: `udid`, `serial-number`, `computer`. */
    linkedBy: text('linked_by').notNull(),
    linkedAt: at('linked_at').notNull().defaultNow(),
    /** Time at which the older registration's route ended for it. */
    retiredAt: at('retired_at'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.deviceId, t.previousDeviceId] }),
    index('device_links_previous').on(t.tenantId, t.previousDeviceId),
  ],
);

/**
 * A route's instance is checked by triggers, once a statement (migrations/0011): a foreign key is checked row by row,
 * which costs more than writing the row.
 */
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
    /** The rule of src/routing/rules.ts that chose this instance. */
    rule: text('rule').notNull(),
    /** Time at which an operator (a move, a rollback, the API) put it there: it stays until a Mac enrols after that. */
    placedAt: at('placed_at'),
    since: at('since').notNull().default(sql`clock_timestamp()`),
    version: bigint('version', { mode: 'number' }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.deviceId] }),
    index('routes_instance').on(t.tenantId, t.instanceId),
  ],
);

/**
 * Every change of a route, appended. No foreign key: whoever writes a line writes the tenant's row of `route_versions` in
 * the same transaction. A trigger takes them away with their tenant (migrations/0011).
 */
export const routeChanges = pgTable(
  'route_changes',
  {
    tenantId: uuid('tenant_id').notNull(),
    version: bigint('version', { mode: 'number' }).notNull(),
    deviceId: uuid('device_id').notNull(),
    fromInstanceId: uuid('from_instance_id'),
    fromJamfComputerId: integer('from_jamf_computer_id'),
    toInstanceId: uuid('to_instance_id'),
    toJamfComputerId: integer('to_jamf_computer_id'),
    pinned: boolean('pinned').notNull(),
    rule: text('rule').notNull(),
    placedAt: at('placed_at'),
    author: text('author').notNull(),
    reason: text('reason').notNull(),
    changedAt: at('changed_at').notNull().default(sql`clock_timestamp()`),
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
  /** The table as it was before this version, or before that time, cannot be told any more: its history was trimmed. */
  trimmedVersion: bigint('trimmed_version', { mode: 'number' }).notNull().default(0),
  trimmedBefore: at('trimmed_before'),
});

/**
 * Rises in the transaction of every change of a tenant, its instances or their keys, by triggers (migration 0023_served). It
 * outlives its tenant, so that one that is deleted and made again has a version that nobody has seen.
 */
export const servedVersions = pgTable('served_versions', {
  tenantId: uuid('tenant_id').primaryKey(),
  version: bigint('version', { mode: 'number' }).notNull(),
  raisedAt: at('raised_at').notNull().defaultNow(),
});

/**
 * Changes of routes by an import whose computers are not due yet: they become so little by little, at the pace at which
 * they are read (src/routing/imports/read-imported.ts).
 */
export const routeReads = pgTable('route_reads', {
  tenantId: uuid('tenant_id')
    .primaryKey()
    .references(() => tenants.tenantId, { onDelete: 'cascade' }),
  /** The last change that was looked at, in the order of `route_changes`. */
  version: bigint('version', { mode: 'number' }).notNull(),
  deviceId: uuid('device_id').notNull(),
  /** The last version to look at. */
  upToVersion: bigint('up_to_version', { mode: 'number' }).notNull(),
  nextAt: at('next_at').notNull().defaultNow(),
});

/**
 * Changes that other processes have to hear of, one row a transaction and tenant (src/store/change-feed.ts): a version
 * of the routes, or a tenant, instance or move that changed (by triggers). They are kept for minutes; a process that
 * was away longer forgets everything.
 */
export const changeFeed = pgTable(
  'change_feed',
  {
    tenantId: uuid('tenant_id').notNull(),
    changeId: bigint('change_id', { mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
    /** Readers go by transactions: numbers given out in order are not committed in order. */
    transaction: xid8('transaction').notNull().default(sql`pg_current_xact_id()`),
    /** `routes`, `tenant`, `instance`, `move`. */
    kind: text('kind').notNull(),
    /** Set for `routes` only. */
    version: bigint('version', { mode: 'number' }),
    /** Set for `routes` only: number of routes that this version changed. */
    changes: integer('changes'),
    /** Set for `instance` only. */
    instanceId: uuid('instance_id'),
    changedAt: at('changed_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.changeId] }),
    index('change_feed_transaction').on(t.transaction),
  ],
);

/** The gateway processes on this database, and how far each has heard of changes. */
export const gatewayProcesses = pgTable('gateway_processes', {
  processId: uuid('process_id').primaryKey(),
  /** Host name and process id, for people. */
  name: text('name').notNull(),
  startedAt: at('started_at').notNull().defaultNow(),
  seenAt: at('seen_at').notNull().defaultNow(),
  /** Every transaction before this one has been heard of. */
  heardBefore: xid8('heard_before'),
  cachedRoutes: integer('cached_routes').notNull().default(0),
  /** Null: one of before this column, which knows no fence (placements). */
  version: text('version'),
});

/** Moves of devices from one instance to another (contract section 8). */
export const moves = pgTable(
  'moves',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    moveId: uuid('move_id').notNull(),
    fromInstanceId: uuid('from_instance_id').notNull(),
    toInstanceId: uuid('to_instance_id').notNull(),
    /** RSQL on devices; null: all of the instance. */
    filter: text('filter'),
    /** True where the move also takes devices that the target does not claim, found there by UDID or serial number. */
    unclaimed: boolean('unclaimed').notNull().default(false),
    /** Percent of the devices that one step cuts over. */
    stepPercent: integer('step_percent').notNull(),
    shadow: boolean('shadow').notNull(),
    state: text('state').$type<MoveState>().notNull().default('planned'),
    paused: boolean('paused').notNull().default(false),
    /** Devices whose bucket (0 to 99) is below this are cut over. */
    percent: integer('percent').notNull().default(0),
    /** Share of compared answers that may differ before `advance` refuses. */
    threshold: real('threshold').notNull().default(0.01),
    shadowStartedAt: at('shadow_started_at'),
    /** Answers of both instances that were compared, and that differed. */
    compared: bigint('compared', { mode: 'number' }).notNull().default(0),
    differed: bigint('differed', { mode: 'number' }).notNull().default(0),
    author: text('author').notNull(),
    reason: text('reason').notNull(),
    version: integer('version').notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.moveId] }),
    // A device that two moves pull at would be cut over twice: one open move for each instance that is left.
    uniqueIndex('moves_open_from')
      .on(t.tenantId, t.fromInstanceId)
      .where(sql`state in ('planned', 'shadowing', 'moving')`),
  ],
);

/** Each device of a move: which computer it leaves, which it goes to, how far it is. */
export const moveDevices = pgTable(
  'move_devices',
  {
    tenantId: uuid('tenant_id').notNull(),
    moveId: uuid('move_id').notNull(),
    deviceId: uuid('device_id').notNull(),
    /** 0 to 99, from the device's id alone. */
    bucket: integer('bucket').notNull(),
    fromJamfComputerId: integer('from_jamf_computer_id').notNull(),
    toJamfComputerId: integer('to_jamf_computer_id'),
    /** `planned`, `moved`, `rolled-back`, `skipped`. */
    state: text('state').notNull().default('planned'),
    /** Reason of a skip: `pinned`, `not-claimed`, `left`, … */
    reason: text('reason'),
    /** The route as it was, for the rollback. */
    rule: text('rule'),
    placedAt: at('placed_at'),
    /** The version of the routes that moved it. */
    movedVersion: bigint('moved_version', { mode: 'number' }),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.moveId, t.deviceId] }),
    foreignKey({
      columns: [t.tenantId, t.moveId],
      foreignColumns: [moves.tenantId, moves.moveId],
    }).onDelete('cascade'),
    index('move_devices_state').on(t.tenantId, t.moveId, t.state, t.bucket),
  ],
);

/** Differences between the answers of the two instances of a move, by kind. */
export const moveDifferences = pgTable(
  'move_differences',
  {
    tenantId: uuid('tenant_id').notNull(),
    moveId: uuid('move_id').notNull(),
    /** `status`, `verdict`, `body`, `unreachable`, … */
    kind: text('kind').notNull(),
    /** The device call that was compared. */
    call: text('call').notNull(),
    count: bigint('count', { mode: 'number' }).notNull().default(0),
    exampleDeviceId: uuid('example_device_id').notNull(),
    example: text('example').notNull(),
    lastAt: at('last_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.moveId, t.kind, t.call] }),
    foreignKey({
      columns: [t.tenantId, t.moveId],
      foreignColumns: [moves.tenantId, moves.moveId],
    }).onDelete('cascade'),
  ],
);

/** Microsoft Graph's subscriptions of a tenant, where the diagnostic application may make them. */
export const subscriptions = pgTable(
  'subscriptions',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    resource: text('resource').$type<SubscribedResource>().notNull(),
    /** Set for `groups`: the group that the tenant's partner is assigned to, whose members are in scope. */
    objectId: uuid('object_id'),
    subscriptionId: text('subscription_id'),
    /** SHA-256 of the clientState that its notifications carry. */
    clientStateHash: text('client_state_hash'),
    expiresAt: at('expires_at'),
    state: text('state').$type<SubscriptionState>().notNull().default('none'),
    nextTryAt: at('next_try_at').notNull().defaultNow(),
    lastNotificationAt: at('last_notification_at'),
    lastError: text('last_error'),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.resource] }), index('subscriptions_next_try').on(t.nextTryAt)],
);

/** Graph's notices of changes in a tenant's directory, until they were acted on (src/delivery/directory/). */
export const directoryChanges = pgTable(
  'directory_changes',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    /** `member`: of the assigned group. `tenant`: anything may have changed. */
    kind: text('kind').$type<'member' | 'user' | 'device' | 'tenant'>().notNull(),
    /** Entra's object id; of `tenant` the tenant's. */
    objectId: uuid('object_id').notNull(),
    /** The newest. */
    change: text('change').$type<'added' | 'removed' | 'updated' | 'deleted' | 'missed'>().notNull(),
    /** Rises with every notification: one that comes while the row is acted on is not lost. */
    revision: bigint('revision', { mode: 'number' }).notNull().default(1),
    notedAt: at('noted_at').notNull().defaultNow(),
    nextTryAt: at('next_try_at').notNull().defaultNow(),
    attempts: integer('attempts').notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.kind, t.objectId] }),
    index('directory_changes_next_try').on(t.nextTryAt),
  ],
);

/** Notifications name a device by its object id, everything else by its device id; a deleted one cannot be asked for. */
export const directoryDevices = pgTable(
  'directory_devices',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    objectId: uuid('object_id').notNull(),
    deviceId: uuid('device_id').notNull(),
    /** State that Entra showed last. */
    enabled: boolean('enabled').notNull(),
    seenAt: at('seen_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.objectId] }),
    index('directory_devices_device').on(t.tenantId, t.deviceId),
  ],
);

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
    /** The device is no longer managed here: `content` is what was known last and has no hash, so any state replaces it. */
    retracted: boolean('retracted').notNull().default(false),
    /** Source of the state; it may outlive the instance, to say that the device is not managed any more. */
    instanceId: uuid('instance_id').notNull(),
    lastCheckInAt: at('last_check_in_at'),
    revision: bigint('revision', { mode: 'number' }).notNull().default(1),
    /** The revision that Intune has confirmed; smaller than `revision` means due. */
    confirmedRevision: bigint('confirmed_revision', { mode: 'number' }).notNull().default(0),
    state: text('state').$type<ReportState>().notNull().default('due'),
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
    /** True from the storing of a message until its outcome is known: till then it may only be sent again as it is. */
    messageOpen: boolean('message_open').notNull().default(false),
    /** Its message was refused together with others: it goes alone, so that it blocks nobody. */
    alone: boolean('alone').notNull().default(false),
    /** Read before a time in which no gateway watched: the instance is asked before this is told. */
    readAgain: boolean('read_again').notNull().default(false),
    /** Time since which Intune does not hold the newest state. */
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
    checkInReportedAt: at('check_in_told_at'),
    /** When this device was last counted as one that changes for the worse (src/store/reports/brake.ts). */
    worseAt: at('worse_at'),
    /** The mass change that holds the newest state, or held it until it was released; null as soon as it is sent. */
    holdId: uuid('hold_id'),
    /** Time from which the report is worked on; null: nothing is to be done. */
    nextTryAt: at('next_try_at').defaultNow(),
    /** True for the work of a resync or a replay, which waits for what is fresh. */
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
    // A search by the name of a computer; the content changes only when the report becomes due.
    index('reports_device_name').on(t.tenantId, sql`lower(content::jsonb ->> 'deviceName') text_pattern_ops`),
    // The overview counts these; the column is set when a report becomes due and cleared when that ends, not in
    // between.
    index('reports_undelivered')
      .on(t.tenantId, t.dueSince)
      .where(sql`due_since is not null and failed_at is null`),
    // Has the reports of mass changes alone, which are counted, shown and released by it.
    index('reports_hold').on(t.tenantId, t.holdId, t.deviceId).where(sql`hold_id is not null`).concurrently(),
    check(
      'reports_due_has_time',
      sql`state in ('completed', 'verified', 'failed') or next_try_at is not null`,
    ),
  ],
);

/** Devices of a tenant that changed for the worse in five minutes: never more rows than an hour and a bit has steps. */
export const worseCounts = pgTable(
  'worse_counts',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    /** The beginning of the five minutes. */
    at: at('at').notNull(),
    unmanaged: integer('unmanaged').notNull(),
    notCompliant: integer('not_compliant').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.at] })],
);

/** Times at which too many devices of a tenant changed for the worse (contract section 3, `ESPALIER_MASS_CHANGE`). */
export const massChanges = pgTable(
  'mass_changes',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    holdId: uuid('hold_id').notNull(),
    state: text('state').$type<MassChangeState>().notNull().default('open'),
    /** The setting when it began: what is held. */
    mode: text('mode').$type<MassChangeMode>().notNull(),
    percent: integer('percent').notNull(),
    /** Devices with a route when it began, and those of them that had changed within the hour. */
    macs: integer('macs').notNull(),
    unmanaged: integer('unmanaged').notNull(),
    notCompliant: integer('not_compliant').notNull(),
    openedAt: at('opened_at').notNull().defaultNow(),
    decidedBy: text('decided_by'),
    decidedAt: at('decided_at'),
    decisionReason: text('decision_reason'),
    /** Null while it is in force. */
    endedAt: at('ended_at'),
    version: integer('version').notNull().default(1),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.holdId] }),
    // One of a tenant at a time, whatever number of processes find it at once.
    uniqueIndex('mass_changes_in_force').on(t.tenantId).where(sql`ended_at is null`),
  ],
);

/** A device whose report ended (store/reports/gone.ts): `LastUpdateTime` goes on rising should it come back. */
export const deviceTombstones = pgTable(
  'device_tombstones',
  {
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    deviceId: uuid('device_id').notNull(),
    /** The last instance that told of it, which may have been removed. */
    instanceId: uuid('instance_id').notNull(),
    lastUpdateAt: at('last_update_at'),
    goneAt: at('gone_at').notNull(),
    endedAt: at('ended_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.deviceId] }),
    index('device_tombstones_ended').on(t.tenantId, t.instanceId, t.endedAt),
  ],
);

/** One row: when rows of Macs that are gone are looked for next, by whichever process takes it. */
export const goneSurvey = pgTable('gone_survey', {
  one: boolean('one').primaryKey().default(true),
  nextAt: at('next_at').notNull().defaultNow(),
});

/** Reports of a tenant in each state: a count, or what a statement changed of it. */
const countsByState = () => ({
  due: bigint('due', { mode: 'number' }).notNull(),
  held: bigint('held', { mode: 'number' }).notNull(),
  sent: bigint('sent', { mode: 'number' }).notNull(),
  accepted: bigint('accepted', { mode: 'number' }).notNull(),
  completed: bigint('completed', { mode: 'number' }).notNull(),
  verified: bigint('verified', { mode: 'number' }).notNull(),
  failed: bigint('failed', { mode: 'number' }).notNull(),
});

/** Reports of each tenant by state, less what `reportCountChanges` still holds. A tenant without reports has no row. */
export const reportCounts = pgTable('report_counts', {
  tenantId: uuid('tenant_id').primaryKey(),
  ...countsByState(),
  /** False for reports that are older than the counters, until they have been counted once. */
  isComplete: boolean('is_complete').notNull().default(true),
});

/**
 * Changes of the counts that were not added up yet, written by triggers in the transaction of each change. Rows are only
 * inserted, so that no writer waits for another's count; without a key, which every delivered report would write.
 */
export const reportCountChanges = pgTable('report_count_changes', {
  tenantId: uuid('tenant_id').notNull(),
  ...countsByState(),
});

/** One row: times since which the oldest work waits. One process looks, and all processes read the row. */
export const oldestWaiting = pgTable('oldest_waiting', {
  one: boolean('one').primaryKey().default(true),
  /** The oldest `dueSince` of a report that is not delivered; null: none waits. */
  reportsSince: at('reports_since'),
  computersSince: at('computers_since'),
  lookedAt: at('looked_at').notNull().defaultNow(),
});

/** Deliveries of a tenant in five minutes (src/store/delivery-counts.ts). */
export const deliveryCounts = pgTable(
  'delivery_counts',
  {
    tenantId: uuid('tenant_id').notNull(),
    /** The beginning of the five minutes. */
    at: at('at').notNull(),
    received: integer('received').notNull(),
    accepted: integer('accepted').notNull(),
    completed: integer('completed').notNull(),
    failed: integer('failed').notNull(),
    /** Accepted reports by step of their delay. */
    delays: integer('delays').array().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.at] }), index('delivery_counts_at').using('brin', t.at)],
);

/**
 * Events of a device's state on its way, the newest of which are kept (src/limits.ts). Its rows are in children, a slot for the
 * time in which they were written (migration timeline_slots); what is older than the slots is in the table itself.
 */
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

/** One row: since when events are written to slots, and when the next slots are looked at for age. */
export const timelineUpkeep = pgTable('timeline_upkeep', {
  one: boolean('one').primaryKey().default(true),
  slotsSince: at('slots_since').notNull().defaultNow(),
  nextAt: at('next_at').notNull().defaultNow(),
});

/**
 * Certificates by ACME (docs/tls.md). They belong to the deployment and not to a tenant, so their keys begin with the
 * directory of the authority instead: another authority, or its staging system, has rows of its own.
 */
export const acmeAccounts = pgTable('acme_accounts', {
  directory: text('directory').primaryKey(),
  keySealed: text('key_sealed').notNull(),
  /** Null until the authority has registered the key. */
  accountUrl: text('account_url'),
  /** The contact as the authority was last told. */
  email: text('email'),
  createdAt: at('created_at').notNull().defaultNow(),
});

/** A name that a certificate is wanted for: the newest one, and the order for the next. */
export const acmeCertificates = pgTable(
  'acme_certificates',
  {
    directory: text('directory').notNull(),
    name: text('name').notNull(),
    /** PEM, the name's own certificate first; null until the first one is issued. */
    chain: text('chain'),
    keySealed: text('key_sealed'),
    issuedAt: at('issued_at'),
    notAfter: at('not_after'),
    /** The order that is under way, at most one. */
    orderUrl: text('order_url'),
    orderKeySealed: text('order_key_sealed'),
    orderedAt: at('ordered_at'),
    /** Failed tries since the last certificate. */
    attempts: integer('attempts').notNull().default(0),
    nextTryAt: at('next_try_at').notNull().defaultNow(),
    lastError: text('last_error'),
    lastErrorAt: at('last_error_at'),
    /** When a process last had the name in its settings. */
    wantedAt: at('wanted_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.directory, t.name] })],
);

/** Answers to open challenges, which the authority may ask of any process. They are public once asked for. */
export const acmeChallenges = pgTable(
  'acme_challenges',
  {
    directory: text('directory').notNull(),
    name: text('name').notNull(),
    kind: text('kind').$type<ChallengeKind>().notNull(),
    token: text('token').notNull(),
    keyAuthorization: text('key_authorization').notNull(),
    openedAt: at('opened_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.directory, t.name] })],
);
