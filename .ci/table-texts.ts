/** What each table holds and how long its rows stay; docs/tables.md is made of it, which needs a line for every table. */

export interface TableText {
  /** What a row is. */
  readonly row: string;
  readonly kept: string;
}

export const tableTexts: Readonly<Record<string, TableText>> = {
  acme_accounts: {
    row: 'the account with an authority, its key sealed',
    kept: 'for good: the authority counts by account',
  },
  acme_certificates: {
    row: 'a name: its certificate with its key, sealed, and the order that is under way',
    kept: 'until a week after it left the settings, and the end of the certificate',
  },
  acme_challenges: { row: 'the answer to an open challenge', kept: 'an hour at most' },
  alert_cursors: {
    row: "how far a tenant's history was streamed to a target, and the end of the message under way",
    kept: 'with the target',
  },
  alert_survey: { row: 'when what needs a person is looked at next', kept: 'for good' },
  alert_targets: {
    row: 'a webhook that is told what needs a person, its address and signing secret sealed',
    kept: 'until removed',
  },
  alert_tellings: {
    row: 'what a target is told of an alert, and whether it took it',
    kept: 'with the alert or the target',
  },
  alerts: {
    row: 'something that needs a person, with what a message says of it',
    kept: 'seven days after it is resolved',
  },
  api_keys: {
    row: "an operator's key, as SHA-256",
    kept: 'for good: a revoked one opens nothing, but ends the bootstrap key',
  },
  approvals: { row: 'a request that waits for a second operator', kept: '90 days' },
  change_feed: { row: 'what other processes have to hear of', kept: 'a day at most' },
  check_in_keepers: { row: 'a process that remembers check-ins', kept: 'while it lives' },
  check_in_marks: {
    row: 'an instance of which such a process remembers check-ins',
    kept: 'until those were read',
  },
  claim_history: {
    row: 'what the rules knew of a claim from then on',
    kept: '`ESPALIER_ROUTE_HISTORY_DAYS`; the state at that time stays',
  },
  claims: { row: 'what an instance says of a device on one of its computers', kept: 'until withdrawn' },
  computer_tombstones: {
    row: 'a computer whose row ended: its id and newest date',
    kept: 'life of the instance',
  },
  computers: {
    row: 'a computer of an instance: stage one; a pushed record until it is taken in',
    kept: 'life of the instance',
  },
  confirmations: { row: 'the newest `confirm` or `enable`, step by step', kept: 'until the next one' },
  consents: { row: 'a consent asked for, and what came of it', kept: 'until the next connect' },
  delivery_counts: { row: 'delivery of a tenant in five minutes', kept: '35 days' },
  device_links: { row: 'an older and a newer registration of a Mac', kept: 'life of the tenant' },
  device_tombstones: { row: 'a device whose report ended: its newest date', kept: 'life of the tenant' },
  directory_changes: { row: 'a changed object that nobody has acted on yet', kept: 'until acted on' },
  directory_devices: { row: "Entra's object id of a claimed device", kept: 'life of the tenant' },
  gateway_processes: {
    row: 'a process and how far it has heard',
    kept: 'a minute after its last sign of life',
  },
  gone_survey: { row: 'when rows of Macs that are gone are looked for next', kept: 'for good' },
  history: {
    row: 'who did what to what, chained by hash',
    kept: '`ESPALIER_HISTORY_DAYS`, also after the tenant',
  },
  history_heads: { row: 'the end of a chain', kept: 'for good' },
  idempotency_keys: { row: 'the answer to a write, sealed', kept: '24 h' },
  instance_keys: { row: 'a key of an instance, as SHA-256', kept: 'until revoked' },
  instance_reading: {
    row: 'polls, reconciliation, and which process reads from the instance',
    kept: 'life of the instance',
  },
  instances: { row: 'a Jamf Pro server', kept: 'until removed, with its keys, computers and claims' },
  move_devices: { row: 'a device of a move, and how far it is', kept: 'with the move' },
  move_differences: {
    row: 'how often the answers of both instances differed, by kind',
    kept: 'with the move',
  },
  mass_changes: {
    row: 'a time at which too many devices of a tenant changed for the worse; one of a tenant is in force',
    kept: '90 days after its end',
  },
  moves: { row: 'a move of devices between two instances', kept: 'life of the tenant' },
  named_computers: {
    row: 'an unknown id that a large event named',
    kept: 'until a list holds it, or 90 s later does not',
  },
  oldest_waiting: { row: 'since when the oldest report and computer wait', kept: 'for good' },
  operators: {
    row: 'an operator of Entra, and the tenants he is bound to',
    kept: 'with an assignment for good, else 90 days',
  },
  placements: {
    row: 'a tenant that was moved between deployments: its generation, whether it lives here, and where it is relayed to',
    kept: 'for good: an older file of it must not bring it back',
  },
  report_count_changes: { row: 'what one statement changed of these numbers', kept: 'two seconds' },
  report_counts: { row: 'how many reports of a tenant are in each state', kept: 'with the reports' },
  reports: {
    row: 'what Intune should hold of a device, and how far that is: stage two',
    kept: 'life of the tenant, also after the route ended',
  },
  route_changes: {
    row: 'a change of a route, with author and reason',
    kept: '`ESPALIER_ROUTE_HISTORY_DAYS`',
  },
  route_reads: { row: 'how far computers of imported routes are due', kept: 'until all are' },
  route_versions: { row: "the tenant's last version of its routes", kept: 'life of the tenant' },
  routes: {
    row: 'which computer a device belongs to, and by which rule',
    kept: 'until nobody claims the device',
  },
  schedule_survey: { row: 'when the next survey of the schedules is due', kept: 'for good' },
  schedules: { row: 'when a schedule of delivery is looked at next', kept: 'until nothing of it waits' },
  served_versions: { row: 'a number that rises with each change of a tenant, for Workers', kept: 'for good' },
  sessions: { row: 'a signed-in browser', kept: 'a day after its end' },
  sign_ins: { row: 'a sign-in on its way to Entra and back', kept: '10 minutes, single use' },
  subscriptions: { row: "what of a tenant's directory Graph tells of", kept: 'life of the tenant' },
  tenants: { row: 'an Entra tenant: cloud, mode, connection state, hold, pause', kept: 'life of the tenant' },
  timeline: { row: "something that happened to a device's state", kept: 'the newest 500 of a device' },
  timeline_upkeep: { row: 'when the slots of timelines are looked at next', kept: 'for good' },
  watch: { row: 'when a gateway last delivered from this database', kept: 'for good' },
  worse_counts: {
    row: 'how many devices of a tenant became unmanaged and not compliant in five minutes',
    kept: 'an hour, or until a hold is released',
  },
};
