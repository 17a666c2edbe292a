/**
 * What does not belong to one tenant, each with its reason (docs/schema.md): tables that every server has whole, triggers
 * and sequences, and the statements that go over several tenants.
 */

type Reasons = Readonly<Record<string, string>>;

const deployment = 'belongs to the deployment and not to a tenant';
const operator = 'belongs to an operator, who may look after several tenants or none';
const oneRow = 'one row for the whole deployment';
const perInstance =
  'small, read with nearly every call, and found by an id or a hash that does not name the tenant';

/** Copied whole to every server; their keys may begin with anything. */
export const referenceTables: Reasons = {
  tenants: 'one row a tenant, to which the rows of all other tables refer',
  instances: perInstance,
  instance_keys: perInstance,
  placements: 'one row for each tenant that was ever moved, read by all that takes up work',
  api_keys: operator,
  operators: operator,
  sessions: operator,
  sign_ins: operator,
  idempotency_keys: operator,
  acme_accounts: deployment,
  acme_certificates: deployment,
  acme_challenges: deployment,
  gateway_processes: 'a process works for all tenants',
  check_in_keepers: 'a process works for all tenants',
  watch: oneRow,
  gone_survey: oneRow,
  schedule_survey: oneRow,
  timeline_upkeep: oneRow,
  oldest_waiting: oneRow,
  alert_targets: operator,
  alert_survey: oneRow,
};

const feeds = 'writes a line of change_feed for the tenant of the row';
const raises = "raises the number of the row's tenant in served_versions";
const schedules = "writes an entry of schedules for the row's tenant";
const counts = 'a statement may change reports of several tenants; a row is written for each of them';
const routesHaveInstances =
  'a statement may write routes of several tenants; each is compared with instances of its own';

export const triggers: Reasons = {
  tenants_feed: feeds,
  instances_feed: feeds,
  moves_feed: feeds,
  tenants_served: raises,
  instances_served: raises,
  instance_keys_served: raises,
  moves_served: raises,
  routes_instances_insert: routesHaveInstances,
  routes_instances_update: routesHaveInstances,
  instances_routes: "looks for routes of the row's tenant",
  tenants_route_changes: "deletes the history of the row's tenant",
  reports_scheduled: schedules,
  reports_rescheduled: schedules,
  computers_scheduled: schedules,
  computers_rescheduled: schedules,
  reports_count_insert: counts,
  reports_count_update: counts,
  reports_count_delete: counts,
};

const behindTenant = 'part of a key behind the tenant: it has to rise within one, and gaps mean nothing';

export const sequences: Reasons = {
  timeline_sequence_seq: behindTenant,
  claim_history_sequence_seq: behindTenant,
  change_feed_change_id_seq: behindTenant,
  served_version:
    'a tenant that is deleted and made again gets a number that it never had; order among tenants means nothing',
};

const batches =
  'a batch whose rows each name their tenant, since one commit for many is what carries the load; it can be cut by tenant';
const dueWork = 'looks for work that is due, of whichever tenant; each server can be asked for its own';
const operators = 'answers an operator for all tenants that he may see, each for itself';
const upkeep = 'upkeep that goes through all tenants: counters, deadlines, what is kept long enough';

/** Statements by file, several forms of one counted once. */
export const acrossTenants: Readonly<
  Record<string, { readonly statements: number; readonly reason: string }>
> = {
  'src/admin/events/poll.ts': { statements: 1, reason: operators },
  'src/admin/overview/tenant-page.ts': { statements: 1, reason: operators },
  'src/admin/search/find.ts': { statements: 3, reason: operators },
  'src/alerts/attention-rows.ts': { statements: 3, reason: operators },
  'src/cli/doctor/bundle-data.ts': { statements: 6, reason: operators },
  'src/connection/lifecycle.ts': { statements: 2, reason: dueWork },
  'src/delivery/computers/learn-named.ts': { statements: 1, reason: dueWork },
  'src/delivery/computers/poll.ts': { statements: 1, reason: dueWork },
  'src/delivery/computers/reconcile.ts': { statements: 1, reason: dueWork },
  'src/delivery/directory/act-on-changes.ts': { statements: 1, reason: dueWork },
  'src/delivery/directory/learn-devices.ts': { statements: 1, reason: dueWork },
  'src/delivery/replay.ts': { statements: 1, reason: operators },
  'src/forwarding/shadow/shadow.ts': { statements: 1, reason: dueWork },
  'src/routing/moves/numbers.ts': { statements: 1, reason: operators },
  'src/routing/moves/work.ts': { statements: 1, reason: dueWork },
  'src/routing/route-pages.ts': { statements: 1, reason: batches },
  'src/routing/route-reader.ts': { statements: 1, reason: batches },
  'src/store/alerts/history-cursors.ts': { statements: 3, reason: operators },
  'src/store/alerts/open-alerts.ts': { statements: 5, reason: upkeep },
  'src/store/alerts/targets.ts': { statements: 2, reason: operators },
  'src/store/alerts/tellings.ts': { statements: 3, reason: dueWork },
  'src/store/approvals.ts': { statements: 2, reason: upkeep },
  'src/store/change-source.ts': { statements: 2, reason: upkeep },
  'src/store/computers/check-in-marks.ts': { statements: 3, reason: dueWork },
  'src/store/computers/check-ins.ts': { statements: 4, reason: batches },
  'src/store/computers/due.ts': { statements: 3, reason: upkeep },
  'src/store/computers/leases.ts': { statements: 5, reason: batches },
  'src/store/computers/readers.ts': { statements: 4, reason: dueWork },
  'src/store/computers/reading.ts': { statements: 2, reason: dueWork },
  'src/store/computers/revisions.ts': { statements: 2, reason: batches },
  'src/store/delivery-counts.ts': { statements: 2, reason: upkeep },
  'src/store/history.ts': { statements: 1, reason: operators },
  'src/store/oldest-waiting.ts': { statements: 1, reason: upkeep },
  'src/store/reports/counts.ts': { statements: 5, reason: upkeep },
  'src/store/reports/due.ts': { statements: 1, reason: upkeep },
  'src/store/reports/leases.ts': { statements: 4, reason: batches },
  'src/store/reports/mass-changes.ts': { statements: 3, reason: upkeep },
  'src/store/reports/report-store.ts': { statements: 3, reason: batches },
  'src/store/routes/imported-reads.ts': { statements: 1, reason: dueWork },
  'src/store/routes/trim-history.ts': { statements: 1, reason: upkeep },
  'src/store/schedules.ts': { statements: 4, reason: dueWork },
  'src/store/served.ts': { statements: 1, reason: batches },
  'src/store/subscriptions.ts': { statements: 2, reason: dueWork },
  'src/store/timeline.ts': { statements: 1, reason: batches },
  'src/store/verify-history.ts': { statements: 1, reason: operators },
};
