import type { LogEvent } from './log-events.ts';

/**
 * What each event of the log means, and what a person does about it where there is anything to do; docs/events.md is made
 * of it. `….failed` and the like are names of which only run time knows the first part.
 */

const certificates = {
  'acme.certificate-unusable':
    'A certificate from ACME cannot be read or its key not be opened; it is left out.',
  'acme.challenges-unreadable': 'The answers to open challenges could not be read; the authority asks again.',
  'acme.failed': 'The authority refused or was not reached; tried again after `againInSeconds`.',
  'acme.issued': 'A certificate was issued and kept, and is renewed after `renewInSeconds`.',
  'acme.ordered': 'A certificate was ordered.',
  'acme.presented': 'Listeners present the certificates that were issued.',
  'acme.registered': 'An account with the authority was made, or its address for mail changed.',
  'tls.certificate-removed': 'The files of a certificate are gone; it is presented no longer.',
  'tls.no-certificate':
    'No source has a certificate any more; the last ones go on being presented. Put a pair in place.',
  'tls.reload-failed':
    'A changed certificate cannot be read or does not fit its key; the one before goes on being presented.',
  'tls.reloaded': 'A changed certificate is presented from now on; no connection was dropped.',
  'client-certificate.refused':
    "A client certificate of an instance, or the proxy's header with one, was refused.",
} as const;

const processes = {
  'config.fault': 'A setting is missing or wrong, and requests are refused until it is mended (Workers).',
  'connections.full':
    'The bound on connections, or on those of one address, is reached; the oldest idle one is closed.',
  'lane.way': 'How device calls are answered: past Node.js’ own streams or through them, and why.',
  'pressure.changed': 'The process sheds more or less of its work; `level` 0 is none.',
  'process.delivers': 'This process of the machine delivers from now on.',
  'process.ended': 'A process ended by itself; another one is started in its place.',
  'process.killed': 'A process did not end in time and was killed; what it had in work is taken up again.',
  'process.not-replaced': 'A new process did not start, mostly for a setting; the old ones go on.',
  'process.started': 'A process was started.',
  'processes.not-removed': 'A process could not take itself off the list; it is seen as gone a little later.',
  'processes.replaced': 'All processes were replaced by new ones.',
  'processes.replacing': 'SIGHUP came: processes are replaced one by one.',
  'proxy-protocol.refused':
    'A connection was closed: it did not begin with PROXY, or came from no trusted proxy.',
  'rate.not-shared':
    "A rate limit of the platform's did not answer; for a while requests are not limited by it (Workers).",
  stopping: 'A signal came: the process drains and ends.',
} as const;

const databaseEvents = {
  'assignments.failed':
    'What instances are bound to could not be read for the last snapshot; it has what was read before.',
  'cache.failed': "The platform's cache failed; rows are read from the database (Workers).",
  'changes.closing': 'A connection that was given up could not be closed.',
  'changes.forgotten':
    'Changes by other processes cannot be told one by one, by the `reason`: all cached rows are read anew.',
  'changes.heard-again': 'Changes by other processes are heard again.',
  'changes.not-heard': 'Changes by other processes cannot be read; what is cached may be older than usual.',
  'changes.not-listening':
    'The connection on which the database tells of changes failed; changes are looked for meanwhile.',
  'changes.not-told': 'Others could not be told of a change; they find it a little later.',
  'credential.use-not-recorded': 'When a key was last used could not be written.',
  'due.notification-not-sent': 'Others could not be told that work is due; they find it a little later.',
  'due.unlisten-failed': 'A connection could not be given back when the process stopped.',
  'health.not-ready':
    'Not ready: the database does not answer, or migrations are pending. Run `espalier migrate` for those.',
  'lock.lost': 'The connection that holds a lock failed; another process may take it.',
  'metrics.credentials-unreadable': 'When credentials expire could not be read; these metrics are absent.',
  'metrics.store-unavailable': 'Metrics of reports and instances could not be read; they are absent.',
  'relay.failed':
    'A request for a tenant that lives in another deployment was not answered by that one, by the `problem`.',
  'request.unawaited-failed': 'Work that goes on after an answer failed (Workers).',
  'routes.not-preloaded': 'There are more routes than the cache holds; they are read as they are asked for.',
  'routes.preload-closing': 'The connection that filled the cache could not be closed.',
  'routes.preload-failed': 'The cache of routes could not be filled; tried again.',
  'routes.preloaded': 'The cache holds all routes.',
  'rows.preload-failed': 'Tenants and instances could not be read ahead; tried again.',
  'start.asks-instances': 'Started without the database, and it is back: all instances are read anew.',
  'start.waits-for-the-database': 'The database cannot be reached or refuses; the start waits for it.',
  'store.available': 'The database answers again; so long it did not.',
  'store.not-back': 'The process ends while the database is still away.',
  'store.unavailable':
    'The database does not answer; requests that need it get 503, device calls are served from what is known.',
} as const;

const snapshots = {
  'snapshot.another-process-writes': 'Another process writes the snapshot in this folder.',
  'snapshot.asked': 'The database does not answer; requests are served from the snapshot (Workers).',
  'snapshot.begun-anew':
    'There was no snapshot to go on with, or it was damaged: the whole of it is written.',
  'snapshot.not-kept': 'A shard was not told to write its snapshot (Workers).',
  'snapshot.not-needed': 'The database answers again; the snapshot rests.',
  'snapshot.not-used':
    'There is no snapshot that could serve: none was written, or it is too old or cannot be read.',
  'snapshot.not-written':
    'The snapshot cannot be written; without the database an older one would serve. Look at the disk.',
  'snapshot.serves': 'Started without the database: the snapshot serves.',
  'snapshot.written': 'A snapshot was written; said at the first, and after a failure.',
} as const;

const requests = {
  'approval.not-renewed':
    'An approved change goes on, but the database was not told; it may show as failed until it ends.',
  'events.not-looked': "The console's stream could not look for changes; it looks again.",
  'export.stalled': 'Nobody read an export for too long; it was broken off.',
  'history.missing': 'A write succeeded without an entry in the history. A fault of Espalier: report it.',
  'history.trimmed': 'Entries older than the history is kept were removed; the chain goes on.',
  'idempotency.answer-not-kept':
    'A change was made, but its answer not kept: a repetition may make it again.',
  'idempotency.not-renewed':
    'A request goes on, but its key could not be held; a repetition could run beside it.',
  'landing.parameter': 'A landing page was asked with a query name that was not seen before.',
  request: 'A request was answered.',
  'request.failed': 'A request failed by a fault of Espalier and was answered 500. Report it with its stack.',
  'sign-in.done': 'An operator signed in to the console.',
  'sign-in.refused': 'A sign-in was refused, by the `reason`.',
  'sign-out': 'An operator signed out.',
} as const;

const connections = {
  'change-management':
    "A tenant's connection type or mode changed, in the form of Jamf Pro's JAMFChangeManagement.log.",
  'confirmation.not-renewed': 'A confirmation goes on, but the database was not told; it may be begun again.',
  'connection.moved': "A tenant's connection went to another state by an operator's wish.",
  'connection.terminated': 'Intune ended the connection. Connect or confirm the tenant again.',
  'consent.given': 'An administrator consented to an application.',
  'consent.refused': 'A consent was refused, or did not prove the tenant.',
  'deprovision.done': 'Intune was told that the tenant leaves.',
  'deprovision.failed': 'Intune did not take that the tenant leaves; it is told again.',
  'deprovision.no-access':
    'Intune could not be told that the tenant leaves, for want of a token or address; told again.',
  'discovery.failed':
    "Graph did not say the addresses of the tenant's Intune; what was known goes on in use.",
  'discovery.moved': "The tenant's Intune has another address now, which is used from now on.",
  'heartbeat.failed': 'Intune refused the heartbeat or was not reached.',
  'heartbeat.message-errors': 'Intune tells in its answer of messages that it could not work on.',
  'heartbeat.no-access': 'No heartbeat, for want of a token or address; `cause` says why.',
  'partner-state.unread': "The partner's state in Intune could not be read; it is derived instead.",
  'permissions.drift':
    'What was granted to the applications is not what is expected. Grant what is `missing`, withdraw what is `extra`.',
  'registration.fault': 'Entra refuses the application itself, for all tenants. Do what `remedy` says.',
  'registration.fault-over': 'Entra takes the application again.',
  'resync.asked': 'Intune asked for everything anew; so many reports are due.',
  'secrets.not-opened':
    'A secret was sealed by a key that is not in ESPALIER_SECRETS_KEY. Put it back in the list.',
  'secrets.resealed': 'Secrets were sealed anew by the first key.',
  'subscription.failed':
    "A subscription to Graph's notifications could not be made or renewed; changes are seen by reading.",
  'subscription.made': "A subscription to Graph's notifications was made.",
  'subscription.removed': "A subscription to Graph's notifications was removed.",
  'subscriptions.not-removed':
    'Subscriptions of a tenant that leaves could not be removed; they end by themselves.',
  'tenant.migrated': 'The mode or connection type of a tenant was changed.',
} as const;

const intake = {
  'check-ins.left-to-others':
    'Check-ins were waiting at a stop and could not be written; another process reads these computers.',
  'check-ins.not-due-yet': 'Computers whose check-ins were folded could not be made due; tried again.',
  'check-ins.not-folded': 'A check-in could not be folded; its computer is read at once.',
  'check-ins.not-marked-again':
    'The mark by which check-ins outlive a crash was not renewed; the old one stands.',
  'check-ins.not-recovered': 'Check-ins of a process that crashed could not be made up for; tried again.',
  'check-ins.recovered': 'Check-ins of a process that crashed were made up for.',
  'computer.odd-members': 'A record has members of an unexpected form; they are left out.',
  'computer.read-failed': 'A computer could not be read from Jamf Pro; tried again.',
  'jamf.webhook': 'A webhook was taken.',
  'jamf.webhook-ignored': 'Parts of a webhook could not be used and were left out.',
  'learn.done':
    "Computers that a large event named were looked up in the instance's list; `due` of them are read.",
  'missed-events.failed': 'What was missed could not be made up for; tried again.',
  'missed-events.given-up': 'What was missed cannot be made up for, as where the instance is gone.',
  'missed-events.made-up':
    'Webhooks that came while the database was away, or that were shed under load, were made up for by reading.',
  'missed-events.not-kept':
    'Which instances missed webhooks could not be written; a crash now would forget it.',
  'missed-events.not-taken-over':
    'What another process had left to be made up for could not be taken; tried at the next start.',
  notification: "Graph's notifications were taken.",
  'notification.rejected': 'Notifications with a wrong `clientState` came; they have no effect.',
  'poll.done': 'An instance was polled.',
  'readers.release-failed':
    'The reading of instances could not be given back at a stop; another process takes it a little later.',
  'reconcile.done': 'All computers of an instance were compared.',
  'recovery.gap':
    'No process had watched for so long, as after a restored backup: what may have changed is read and told anew.',
} as const;

const directory = {
  'directory.changed': 'Entra told of changed devices; their reports are looked at.',
  'directory.not-asked': 'A shard did not say what changed in Entra; it is asked again (Workers).',
  'directory.not-given-back':
    'Changes of Entra that could not be acted on were not put back; they come again by themselves.',
  'directory.not-learnt': 'A device could not be read from Entra; the rest is read later.',
  'directory.not-read': 'What changed in Entra could not be read from the database (Workers).',
  'directory.unknown-device': 'Entra told of a deleted device that is not known here.',
  'directory.unread': 'Entra did not answer about changed devices; tried again, in the end all is read.',
} as const;

const delivery = {
  'deliverer.close-failed': 'Connections of a failed turn could not be closed (Workers).',
  'deliverer.not-woken': 'A shard that delivers could not be woken; its alarm wakes it (Workers).',
  'deliverer.slice-failed': 'A turn of delivery failed; tried again after `nextInMs` (Workers).',
  'deliverer.superseded': 'The number of shards changed: this one ends (Workers).',
  'deliverer.waits-for-recovery': 'Delivery waits until what was missed is made up for (Workers).',
  'delivery-counts.not-written': 'Counts of delivery could not be written; they are added to the next ones.',
  'delivery.waits-for-the-database': 'Delivery begins when the database answers.',
  'gone.ended':
    'Macs that are gone for long were ended; those `waiting` are over the share that may end within a day.',
  'gone.forgotten': 'Links and directory entries of devices that are gone were removed.',
  'mass-change.hold':
    'Too many Macs would change for the worse at once: what is held waits for a person to release or refuse.',
  'report.no-cloud': "The tenant's cloud is not in ESPALIER_CLOUDS_FILE; its reports wait. Add it.",
  'reports.counted': 'Reports of a tenant were counted.',
  'reports.counts-mended': 'Counts of reports were wrong and are right now. A fault of Espalier: report it.',
  'reports.replay': 'An operator had reports sent again.',
  'reports.replay-failed': 'A replay broke off after `replayed` reports. Ask for it again.',
  'routes.history-trimmed': 'Changes of routes older than their history is kept were removed.',
  'schedules.mended':
    'Work that was due stood in no schedule, and is due now. A fault of Espalier: report it.',
  'shadow.not-compared': "The answers of a move's two instances could not be compared; the caller got his.",
  'shadow.not-refreshed': 'Which moves are shadowed could not be read; it is read again.',
  'stage.claim-failed': 'Due work could not be leased; tried again.',
  'stage.fail-failed': 'Work that failed could not be put off; its lease runs out by itself.',
  'stage.look-failed': 'What is due could not be looked for; tried again.',
  'stage.renew-failed': 'Leases could not be renewed; another process may do the work again.',
  'stage.settle-failed': 'Schedules without work could not be cleared; they are looked at again.',
  'stage.work-failed': 'Work failed by a fault of Espalier and is tried again. Report it.',
  'timeline.not-written': 'Steps could not be written to the timeline; delivery goes on.',
  'timelines.cleared': 'Timelines older than they are kept were removed.',
  'upload.setback':
    'Intune refused a message or was not reached; the reports are tried again or fail, by the cause.',
  '….failed':
    'Work that comes again and again failed and comes again: `poll`, `reconcile`, `learn` of an instance, or a task of the process.',
  '….put-off-failed': 'A turn of an instance failed and could not be put off; it is due as before.',
} as const;

const telling = {
  'alerts.not-taken': 'A target did not take an alert; tried again after `retryInSeconds`.',
  'alerts.not-told': 'A target could not be told by a fault of Espalier or its database; tried again.',
  'alerts.target-given-up':
    'A target said that it is gone, or failed for days; it is told nothing more until it is changed.',
  'telemetry.failed': 'Metrics or spans could not be made (Workers).',
  'telemetry.not-sent': 'The collector did not take metrics or spans (Workers).',
  'telemetry.spans-lost': 'Spans were dropped since the collector is too slow or away (Workers).',
} as const;

export const eventTexts: Readonly<Record<string, string>> = {
  ...certificates,
  ...processes,
  ...databaseEvents,
  ...snapshots,
  ...requests,
  ...connections,
  ...intake,
  ...directory,
  ...delivery,
  ...telling,
};

export interface ExplainedEvent extends LogEvent {
  readonly meaning: string;
}

/** Throws where an event has no text, and where a text is left of an event that is no longer logged. */
export function explainedEvents(
  events: readonly LogEvent[],
  texts: Readonly<Record<string, string>> = eventTexts,
): readonly ExplainedEvent[] {
  const known = new Set(events.map(({ name }) => name));
  const orphaned = Object.keys(texts).filter((name) => !known.has(name));
  if (orphaned.length > 0) throw new Error(`.ci/event-texts.ts explains ${orphaned.join(', ')}: not logged`);
  return events.map((event) => {
    const meaning = Object.hasOwn(texts, event.name) ? texts[event.name] : undefined;
    if (meaning === undefined) throw new Error(`.ci/event-texts.ts says nothing of the event ${event.name}`);
    return { ...event, meaning };
  });
}
