/** Every limit that is not a setting: the unit in the name, the reason beside it. */

export const mebibyte = 1_048_576;

/** Contract section 6, `payload-too-large`. */
export const webhookBodyBytes = 10 * mebibyte;
/** A webhook that does not say how long it is counts as so much of what its instance may hold: nearly all are far smaller. */
export const unsaidWebhookBytes = mebibyte;
export const inventoryBodyBytes = 10 * mebibyte;
/** An inventory push may be gzip; what it may grow to (contract section 6). */
export const inventoryUnpackedBytes = 100 * mebibyte;
/** Records of one push: each is parsed, checked and answered for. */
export const recordsPerPush = 10_000;
/**
 * One pushed record: as it comes, and what of it is kept (`keptMembers`). A Mac with thousands of applications is a few
 * MB, of which some ten KB are kept; what is parsed in one go must not hold the event loop.
 */
export const recordLimits = {
  bytes: 8 * mebibyte,
  keptBytes: mebibyte,
  keptNodes: 50_000,
  membersOfObject: 10_000,
  depth: 64,
};
/**
 * A webhook: a group event names 100,000 computers, or half as many with the fields that Jamf Pro can show of each. The
 * rest bounds what one member, and in XML one text, may hold; a list of ids can be one text.
 */
export const webhookLimits = {
  nodes: 600_000,
  unit: {
    bytes: 10 * mebibyte,
    keptBytes: mebibyte,
    keptNodes: 50_000,
    membersOfObject: 10_000,
    depth: 64,
  },
  xml: {
    depth: 16,
    elements: 600_000,
    names: 10_000,
    textBytes: mebibyte,
    keptBytes: 10 * mebibyte,
  },
};
/** One answer of an instance: a record with thousands of applications, or a page of 100 with a thousand groups each. */
export const instanceAnswerLimits = {
  nodes: 1_000_000,
  unit: {
    bytes: 32 * mebibyte,
    keptBytes: 2 * mebibyte,
    keptNodes: 100_000,
    membersOfObject: 10_000,
    depth: 64,
  },
};
/** Twice what is promised (contract section 5): each becomes a row. */
export const computersPerWebhook = 200_000;
/** A webhook that names more computers than this does not read those one by one that nobody knows here. */
export const namedInBulk = 500;
/** Rows of one statement of such an event: some ten milliseconds, between which other instances write. */
export const namedTogether = 1_000;
/** A named id that the instance's list does not hold is forgotten after this time, as a computer that is not found is. */
export const namedSettledMs = 90_000;
/** Instances in which one process looks up such ids at the same time. */
export const learnsAtOnce = 4;
/** One of them gives way to others after this time: an instance decides how long its list is, and how slowly it comes. */
export const learnTurnMs = 120_000;
/** Records of a push that are committed together, and their text: what a push holds in memory beside the record it is at. */
export const recordsTogether = 128;
export const recordBytesTogether = 512 * 1024;
/** A push that is read record by record holds the record it is at, as it came, and those that wait to be committed. */
export const pushHeldBytes = recordLimits.bytes + recordBytesTogether;
/** What unpacking a gzip holds beside its records: zlib's window, and chunks on their way in and out. */
export const unpackerBytes = 128 * 1024;
/** All that a packed push may come to hold: of each of its records only what is kept, once as it came and once among those that wait. */
export const packedHeldBytes = unpackerBytes + 2 * recordLimits.keptBytes + recordBytesTogether;
/** Larger bodies that are in memory at the same time, of all tenants and processes: some twenty of the largest. A tenant may hold a quarter. */
export const bodiesHeldBytes = 256 * mebibyte;
/** A request of a Worker that was cut off holds its share of requests and bodies this long; most of them end within seconds. */
export const longestHeldMs = 120_000;
/** A body up to this size is read and parsed at once: it takes a fraction of a millisecond. */
export const smallBodyBytes = 16 * 1024;
/** Every other request body on any listener (contract section 6). */
export const bodyBytes = mebibyte;
/** Larger bodies of change notifications that are being read, which anybody can send: the largest, eight times for each tenant. */
export const notificationsHeldBytes = 32 * bodyBytes;
/** Graph sends some dozens in one request. Anybody can send here, and each state that is named is hashed. */
export const notificationsPerBody = 5_000;
/** Bounds the JSON of an admin request; a list in it has some hundred elements. */
export const adminBodyStructure = { depth: 64, nodes: 20_000 };
/** Graph's validation tokens are some hundred characters of text; they are sent back as they are. */
export const validationTokenCharacters = 1_024;
/** A deployment that is asked whether a tenant lives there has so long for an answer, while an operator waits. */
export const relayProbeMs = 10_000;
/** A chain with its key: some KB each; a hundred names in a certificate are 10 KB. */
export const certificateFileBytes = 128 * 1024;
/** Folders of `ESPALIER_TLS_CERT_DIR`: each is looked at again and again, and its key lies in memory. */
export const certificateFolders = 1_000;
/** Between two looks at the files of certificates. */
export const certificateLookMs = 1_000;
/** A header section must be complete by then, or a slow client holds a connection (contract section 8). */
export const headersTimeoutMs = 10_000;
/** An unused connection of a caller is kept a little longer than balancers keep theirs (60 s): who closes last loses no request. */
export const callerIdleMs = 65_000;
/** A body may be silent this long at most (contract section 8). */
export const bodyIdleMs = 10_000;
/** A body must be complete by then (contract section 8). */
export const bodyTotalMs = 60_000;
/** An answer that does not need the rest of its request's body lets it pass for so long, and no longer. */
export const answerAfterBodyMs = 1_000;
export const answerAfterBodyBytes = 64 * mebibyte;
/** A connection that is closed for what came on it is read so long: a reset would take the last answer away (RFC 9112, 9.6). */
export const lingerMs = 2_000;
/** Time of one turn of the event loop for refusals: a call of somebody else takes some four turns. */
export const refusalSliceMs = 1;
/** Requests of one connection that wait for the answers before them; more are not read. */
export const requestsAhead = 16;
/** Connections of a listener, in all and from one address, unless settings say otherwise: hosted instances share addresses. */
export const connectionsInAll = 10_000;
export const connectionsPerAddress = 4_000;
/** Between two looks at what connections do. */
export const connectionSweepMs = 1_000;
/** A caller that takes nothing of what waits for it holds memory in vain. */
export const stalledCallerMs = 60_000;
/** Between two looks at the pressure on the process: long enough for a median, and short beside what callers wait for. */
export const pressureEveryMs = 500;
/** Of these looks metrics tell the highest for so long: scrapes come every fifteen seconds to a minute. */
export const pressureRememberedMs = 60_000;
/** SIGTERM: requests in flight get this long (contract section 3). */
export const drainMs = 30_000;
/** No service of Microsoft's asks for a longer silence; a wrong header or clock must not hold a tenant for a day. */
export const longestSilenceMs = 3_600_000;
/** All calls of one test of an instance together. */
export const instanceTestMs = 30_000;
/** A verb of the admin API that waits for Microsoft or an instance: longer than its calls take when all is well. */
export const adminVerbMs = 120_000;
/** A confirmation that its process did not renew for so long was interrupted. */
export const confirmationSilenceMs = 30_000;
/** An admin who consents goes through sign-in, two-factor and a role elevation; after that the state is void. */
export const consentStateMs = 60 * 60_000;
/** Visits of the page that they come back to, of all tenants: far more than there are administrators who consent. */
export const consentVisitsPerSecond = 50;
/** A process that died holds its rows this long; a living one renews its leases well before. */
export const leaseMs = 12_000;
export const leaseRenewMs = 3_000;
/** Between two looks for due schedules when no notification came. */
export const pollDueMs = 250;
/**
 * Leases of a stage that follow each other at once, and the time in which one more may: each is a few transactions for
 * whatever it finds, and of rows that come one by one it finds more when it comes later.
 */
export const leasesAtOnce = 4;
export const leaseGatherMs = 250;
/** Between two surveys of all schedules; with the time in which a process takes one up, it is less than a minute. */
export const surveyPeriodMs = 45_000;
/** A survey that took long because the database was ill must not leave what is missing unseen for hours. */
export const maxSurveyRestMs = 15 * 60_000;
/** Two keys of an instance may be live at once, so that one can replace the other (contract section 5). */
export const liveKeysPerInstance = 2;
/** A route read from the database serves this long before it is looked at again. */
export const routeCacheMs = 1_000;
/**
 * What Workers remember is believed for so long after it was certainly so. A change is seen within two seconds, and the rest is
 * for the clocks of two machines, which stand still between inputs.
 */
export const warmBelievedMs = 1_800;
/** Rows that isolates of a data centre share end after this time; until then one holds as long as the version under which it was read. */
export const sharedEntrySeconds = 300;
/** The largest row is an instance with authorities of its own, some kilobytes. */
export const sharedEntryBytes = 64 * 1_024;
/** The platform's cache answers in a few milliseconds. One that takes longer has failed: the database is asked. */
export const sharedCacheAnswerMs = 500;
/** After a failure callers do without the cache for so long, for those that wait for one that hangs wait in vain. */
export const sharedCacheRetryMs = 5_000;
/** Verified tokens that an isolate keeps, a kilobyte each: it has 128 MB in all. */
export const isolateVerifiedTokens = 5_000;
/** A check-in alone is told to Intune when the last told one is older than this; Intune calls a Mac unresponsive after 24 h. */
export const checkInReportedEveryMs = 4 * 3_600_000;
/** An upload that is neither completed nor failed by then is looked at again only with the longest back-off. */
export const uploadStatusPatienceMs = 24 * 3_600_000;
/** Time that Entra has to show a completed upload before verification is given up (domain/microsoft.md 4.4). */
export const verificationPatienceMs = 15 * 60_000;
/** Discovered Intune addresses are kept this long (domain/microsoft.md 3). */
export const discoveryCacheMs = 24 * 3_600_000;
/** Timelines are written to slots by time, each used anew when it comes round; migration timeline_slots has both numbers too. */
export const timelineSlots = 14;
export const timelineSlotMs = 30 * 24 * 3_600_000;
/** Slots are looked at for age about once a day. */
export const timelineTrimEveryMs = 20 * 3_600_000;
/** The newest events of a device that are kept: some seventy reports from webhook to verified. */
export const timelineEventsPerDevice = 500;
/** A filter is read and planned for every request that carries it. */
export const filterCharacters = 2_000;
/** This bounds the depth of a filter's condition as well. */
export const filterComparisons = 50;
/** Rows that become due again without being new are spread over time, for each tenant. */
export const backgroundReportsPerSecond = 100;
/** Rows of one transaction of a replay: it stays far below the statement's timeout and locks nobody out for long. */
export const replayBatch = 5_000;
/** A reader's lease counts as lost this long before it runs out: an answer may be on its way (src/store/computers/readers.ts). */
export const readerSafetyMs = 2_000;
/** A poll looks back this far: a cluster's node may lag a minute behind (domain/jamf.md 1.4), and clocks differ. */
export const pollOverlapMs = 120_000;
/** Instances that one process polls, or reconciles, at the same time: a slow one must not stop the others. */
export const pollsAtOnce = 8;
export const reconciliationsAtOnce = 4;
/** Computers per second that a reconciliation makes due without news: they must not come as one flood. */
export const backgroundPerSecond = 100;
/** While a gateway delivers it says so this often; a longer silence than the second means that nobody watched. */
export const watchEveryMs = 10_000;
export const watchFreshMs = 5_000;
export const watchGapMs = 120_000;
/** Changes of the numbers of reports are added up this often, so many in one statement. */
export const countingEveryMs = 2_000;
export const changesAddedAtOnce = 10_000;
/** A turn of that ends after this time, and the next one goes on. */
export const countingTurnMs = 1_000;
/**
 * The oldest waiting work is looked for this often, and seldomer where a look takes long: at most a share of 1/300 of the time,
 * but no more than a minute apart, for what has been done meanwhile still counts until then.
 */
export const oldestLookedForMs = 10_000;
export const oldestLookShare = 300;
export const oldestLookedForAtLeastMs = 60_000;
/** Each process counts the reports of the next tenant anew after this time, and by so many reports a second at most. */
export const recountEveryMs = 10_000;
export const recountedPerSecond = 500;
/** More devices than these, of one look at a tenant's notifications, are read behind what is fresh. */
export const directoryDevicesAtOnce = 200;
/** Devices that Entra is asked for one by one, in the background, every ten seconds; and how soon those are asked for again that it did not know. */
export const devicesLearntTogether = 20;
export const relearnMs = 3_600_000;
/** Rows that one statement of a large change touches: far below the statement's timeout. */
export const changeBatch = 1_000;
/** A tenant's instances and landing choice serve its landing pages this long before they are looked at again. */
export const landingFreshMs = 1_000;
/** Each device that a landing page's address names is looked up; Microsoft documents no name of the parameter. */
export const landingDevices = 4;
/** Names of unknown parameters that a process logs in all: anybody can invent them. */
export const landingParametersLogged = 100;
/** Connections of a machine to one instance, for forwarded calls; more calls wait for one. */
export const upstreamConnections = 64;
/** Connections to all instances: sockets of the process. An idle one gives way. */
export const upstreamConnectionsInAll = 8_192;
/** Calls that wait for a connection to one instance: as many as it answers within a timeout, and then no more. */
export const upstreamWaiting = 512;
/** Deadline for TCP and TLS. */
export const upstreamConnectMs = 10_000;
/** An unused connection is closed before servers do it; sooner where the server says how long it waits. */
export const upstreamIdleMs = 30_000;
/** A caller that takes nothing of its answer for this long holds a connection to its instance in vain. */
export const slowReaderMs = 30_000;
/** The query of a passed-through call; its path is one of the list's. */
export const passThroughQueryCharacters = 4_096;
/** A body up to this size is held, so that it can be sent again when the instance refuses the token. */
export const replayableBodyBytes = 65_536;
/** The one statement that plans a move may be about a million devices. */
export const movePlanTimeoutMs = 300_000;
/** Devices of a move that change hands in one transaction: intake of these devices waits for it. */
export const moveBatch = 500;
/** An answer to `advance` or `rollback` waits for the work so long; the rest goes on behind it. */
export const moveAnswerMs = 5_000;
/** A turn of the work on open moves, so that a process that is asked to stop does. */
export const moveTurnMs = 3_000;
/** Without so many compared answers (or one of each device, where they are fewer) a move does not leave shadowing unforced. */
export const minShadowComparisons = 20;
/** Calls of a move that are asked of both instances at the same time: Jamf asks for five at most (domain/jamf.md 1.5). */
export const shadowAtOnce = 4;
/** Requests of a Worker that ask the database nothing look for changes of known moves no more often than this. */
export const shadowLookMs = 5_000;
/** An answer that is larger is not compared. */
export const shadowAnswerBytes = 2 * mebibyte;
/**
 * An old record counts as left behind when the Mac has been speaking to its new one for so much longer: Macs check in
 * every 15 minutes to an hour, and one that is off is off for both.
 */
export const registrationSilenceMs = 24 * 3_600_000;
/** More computers than this with one UDID or serial number are clones of a virtual machine: it identifies none of them. */
export const computersPerIdentity = 20;
/** Registrations of one computer that are looked at when it registers anew. */
export const earlierRegistrations = 20;
/** A date further ahead of the clock than this is no date: it would make every later record look old. */
export const clockAheadMs = 5 * 60_000;
/** Each tenant's route history is trimmed about once a day. */
export const historyTrimEveryMs = 20 * 3_600_000;
/** Rows of one transaction of it. */
export const historyTrimBatch = 5_000;
/** Rows of Macs that are gone are looked for about once a day. */
export const goneSurveyEveryMs = 20 * 3_600_000;
/** Rows that one statement of it looks through. */
export const gonePage = 2_000;
/** At most this share of an instance's computers ends within a day, or one where that is less. */
export const goneSharePerDay = 0.01;
/** Answers to writes with an Idempotency-Key are kept so long (contract section 8). */
export const idempotencyKeptMs = 24 * 3_600_000;
/** The length admits any scheme of keys in use; the key is part of a database key. */
export const idempotencyKeyCharacters = 255;
/** A disconnect, a move or a delete of more devices waits for a second operator, if asked to (contract section 3). */
export const approvalDevices = 100;
/** An approval that nobody decided for a day has to be asked for again, with what is true then. */
export const approvalLifeMs = 24 * 3_600_000;
/** A request that touches more devices than was approved, by more than this share of them, is not what was approved. */
export const approvalGrowthShare = 0.1;
/** Tags of one tenant. */
export const tenantTags = 20;

/** Decided approvals are listed so long; the history has them after that. */
export const approvalKeptMs = 90 * 24 * 3_600_000;
/** The longest reason that an operator may give for a write. */
export const reasonCharacters = 500;
/** Within so long the changes for the worse of a tenant are counted together (contract section 3). */
export const massChangeMs = 3_600_000;
/** They are counted in steps of so long, so the hour is up to one step longer. */
export const massChangeStepMs = 5 * 60_000;
/** Fewer are never a mass change: a small tenant's school holidays are not an accident. */
export const massChangeDevices = 50;
/** The number of a tenant's routes is counted this often at most, and only while there are so many changes. */
export const massChangeMacsMs = 10 * 60_000;
/** A release wakes what it holds at once; this is for what was being looked at in that moment. */
export const massChangeRecheckSeconds = 600;
/** Ended holds are listed so long; the history has them after that. */
export const massChangeKeptMs = 90 * 24 * 3_600_000;
/** Devices that are shown of a hold. */
export const massChangeExamples = 20;
/** Entries of the history that are read together, and deleted together. */
export const historyPage = 1_000;
/** A sign-in goes to Entra and back in that time, with a second factor; after that it is begun anew. */
export const signInMs = 10 * 60_000;
/** Time to read what the demo printed and to get past the browser's warning. */
export const oneTimeLinkMs = 10 * 60_000;
/** Sessions of operators (OWASP, Session Management): without a request, and in all. */
export const sessionIdleMs = 30 * 60_000;
export const sessionLifeMs = 8 * 3_600_000;
/** Each request of a session is activity; it is written no more often than this. */
export const sessionSeenEveryMs = 60_000;
/** Ended sessions are kept so long: an incident is looked into the day after. */
export const sessionsKeptMs = 24 * 3_600_000;
/** An operator whom nothing was assigned to is listed so long after he was last seen. */
export const operatorsKeptMs = 90 * 24 * 3_600_000;
/** A page of this gateway to return to after sign-in. */
export const returnToCharacters = 1_000;
/** Per source address, which may be that of a load balancer with every operator behind it. */
export const signInStartsPerSecond = 1;
export const signInStartsBurst = 120;
export const failedCredentialsPerSecond = 2;
export const failedCredentialsBurst = 300;
/**
 * Wrong credentials a second of all addresses together. Beyond them an address is held back from its first wrong one on, for one
 * processor checks some 15,000 signatures a second.
 */
export const failedCredentialsInAllPerSecond = 500;
/** Signatures that are checked for all suspect addresses together: under one percent of a processor. */
export const suspectLooksPerSecond = 50;
/** A form of our own pages: some hundred characters. */
export const formBodyBytes = 16 * 1024;
/** One with certificates in it: 50,000 characters, and what their encoding adds. */
export const longFormBytes = 256 * 1024;
/** One with a file of routes, some 120,000 of them; what is larger goes straight to the API. It is held several times over. */
export const fileFormBytes = 16 * mebibyte;
export const fileFormsAtOnce = 2;
export const fileFormsWaiting = 4;
export const fileFormMs = 5 * 60_000;
/** Fields and files of one form. */
export const formParts = 32;
/** Imported rows that a page carries from the preview to the import, so that the file need not be chosen again. */
export const importedTextShownBytes = mebibyte;
/** Secrets that one process seals anew in one statement, and between two such statements: instances are asked for new tokens then. */
export const resealBatch = 100;
export const resealPauseMs = 1_000;
/** Between two looks for secrets that an older key sealed: they read every instance, and a process looks when it starts. */
export const resealPollMs = 10 * 60_000;
/** After one that failed. */
export const resealRetryMs = 60_000;
/** Secrets that do not open, of which a process writes a line. */
export const resealUnopenedLogged = 1_000;
/** A file of routes to import: five times the million of contract section 8; packed and unpacked. */
export const importBodyBytes = 1_024 * mebibyte;
export const importRows = 5_000_000;
/** Rows of a file that is imported through a pooler: it is one transaction, and the tenant's intake waits for the end of it. */
export const pooledImportRows = 50_000;
/** One line of it, or one row of CSV over several lines: serial number and UDID are 100 characters each at most. */
export const importLineCharacters = 8_192;
/** A file may take this long to arrive: 150 MB over 1 Mbit/s take 20 minutes. Silence is bounded as elsewhere. */
export const importTotalMs = 30 * 60_000;
/** Refused rows that an answer tells of, and faults that a problem names; the rest is counted. */
export const importRejectionsListed = 10_000;
export const importFaultsListed = 1_000;
/** Changes that a dry run of an import lists, for a person to look at. */
export const importChangesListed = 100;
/** Rows that are staged by one statement, and routes that one transaction of a partial import changes. */
export const importStaged = 2_000;
export const importPage = 10_000;
/** PostgreSQL sorts the rows of a file within this memory, and more of them on disk. */
export const importSortMemory = '64MB';
/** Imported devices whose computers become due together: ten seconds' worth; and tenants in one turn. */
export const importedReadBatch = 10 * backgroundPerSecond;
export const importedReadTenants = 100;
export const importedReadPollMs = 1_000;
/** It waits this long for whoever changes routes of the tenant. */
export const importedReadLockMs = 2_000;
/** An import waits this long for another one, or a rollback, of its tenant. */
export const importLockMs = 120_000;
/** Imports of one process: each has a connection to the database of its own. */
export const importsAtOnce = 2;
export const importsWaiting = 8;
export const exportsAtOnce = 4;
/** An export that is taken slowly, but taken, may last as long as a file may take to arrive. */
export const exportMs = importTotalMs;
/**
 * Lists that grow with the fleet, read at the same time by one process: as many as operators have connections to the database by
 * default (store/connection-budget.ts), so what they do one by one waits for one list at most. So many more wait; the rest is
 * told to come again.
 */
export const listsAtOnce = 2;
export const listsWaiting = 100;
/** A list takes no longer: the database ends a statement of ours sooner (store/database.ts). */
export const listMs = 60_000;
/**
 * Requests of operators under way at the same time: a credential may have an eighth of so many, an operator with all
 * his sessions a quarter. What reads or writes a fleet counts more, so that sixteen such things are under way for a credential.
 */
export const operatorRequests = 1_024;
export const fleetRequestWeight = 8;
/** A quarter or so of a processor; twice as many at once. More of an operator wait, for they come from a script. */
export const operatorRequestsPerSecond = 200;
/**
 * Rows that are read and made text together, between two turns of the event loop: half a millisecond of work each. 2,000 devices
 * at once held it for 28 ms, and 5,000 rows of an export for 25.
 */
export const listLot = 50;
export const exportLot = 250;
/** Rows of an export that are read and sent together. */
export const exportPage = 5_000;
/** Between two lines of progress. */
export const progressEveryMs = 1_000;

/**
 * A statement that tenants share waits for a lock this long: more than a neighbour's commit takes, and little enough not
 * to be noticed by those who come along. With 100 ms a neighbour's p99 rose from 4 ms to 141 in the first seconds of a lock.
 */
export const sharedLockWaitMs = 10;
/** A statement of one tenant that goes apart waits for a lock this long: it holds a connection meanwhile. */
export const lockWaitMs = 100;
/** A tenant whose rows are locked is tried again after this long at most. */
export const lockedPauseMs = 500;
/** Its writes fail when they have waited this long: whoever sent a webhook does not wait longer. */
export const maxLockedWaitMs = 10_000;
/** Its writes that wait; more fail at once. */
export const maxLockedWrites = 10_000;
/** Locked tenants that are tried at the same time, by each kind of write: a try holds a connection. The intake's share a bound. */
export const lockedWritesAtOnce = 2;

/** Instances that are remembered to have sent something while the database was away. */
export const maxMissedInstances = 50_000;
/** Computers that are remembered of one of them; more, and the whole instance is reconciled. */
export const missedComputersOfInstance = 2_000;
/** Computers that are remembered of all of them. */
export const maxMissedComputers = 100_000;
/** Instances that are made up for at the same time. */
export const missedAtOnce = 4;
/** While the database is away, it is tried this often whether it is back. */
export const missedRetryMs = 500;

/**
 * Everybody with the same tenants is shown an overview that is at most twice as old as this, so that fifty open ones ask as
 * one. An open page waits longer than that before it looks at what changed (`ageMs` in console/assets/console.js).
 */
export const overviewFreshMs = 500;
export const overviewScopes = 200;
/** Drawn overviews that are kept until something on them differs, each some 60 kB. */
export const overviewsDrawn = 50;
/** Things of one kind that need a person, of all tenants together; the first of all kinds that an answer shows. */
export const attentionOfKind = 2_000;
export const attentionShown = 100;
/** Failed reports of one tenant that are counted by cause, the newest; what waits of one tenant. */
export const attentionReports = 500;
export const backlogCounted = 1_000;
/** A key or certificate that runs out is told of so long before, and a key also after. */
export const credentialWarnMs = 30 * 24 * 3_600_000;
/** Tenants whose needs are surveyed at once for alerts; surveys in a row that miss an alert which is then resolved. */
export const alertSurveyTenants = 200;
export const alertMissedSurveys = 3;
/** A resolved alert is kept so long, so that a target that does not answer for days still hears of its end. */
export const alertKeptMs = 7 * 24 * 3_600_000;
/** Targets of one tenant, and targets for all tenants; targets that are told at the same time. */
export const alertTargetsOfTenant = 10;
export const alertTargetsOfAll = 100;
export const alertTargetsAtOnce = 32;
/** A target has so long for a connection and an answer, which its lease covers; one that is slower than this has one message a turn. */
export const alertTimeoutMs = 10_000;
export const alertSlowMs = 1_000;
export const alertLeaseMs = 45_000;
/** Messages to a target before others have their turn; alerts of a message, and those of them that a chat shows. */
export const alertMessagesOfTurn = 10;
export const alertsOfMessage = 100;
export const alertsShown = 20;
/** Entries of the history in a message, and about how many characters they may have. */
export const alertHistoryEntries = 100;
export const alertHistoryCharacters = 200_000;
/** A target that took nothing for so long, in so many tries, is given up; after this long it is a need of its own. */
export const alertGiveUpMs = 5 * 24 * 3_600_000;
export const alertGiveUpAttempts = 20;
export const alertFailingMs = 15 * 60_000;
/** Longer than any name or id that is searched for; results of one kind. */
export const searchCharacters = 200;
export const searchResults = 20;
/** After which a browser may try again while the database is away. */
export const storeRetrySeconds = 30;
/** The same while too much of the operator's is under way. */
export const busyRetrySeconds = 2;
/** The `state` of a sign-in or a consent, which Entra hands back as it was given. */
export const stateCharacters = 512;
/** Streams of events: looked at so often, which is also how soon one ends with its credential. */
export const eventsTickMs = 1_000;
/** After changes were handed out, the next ones are gathered that long. */
export const eventsRestMs = 2_000;
/** While a stream is open, changes that the feed does not carry are polled at this interval. */
export const eventsPollMs = 2_000;
/** A comment keeps proxies, which often give up after a minute of silence. */
export const eventsKeepAliveMs = 15_000;
/** Changes that one event names; more, and it says that anything may have changed. */
export const maxChangesSent = 500;
/** Ten tabs without a common stream, twice; and of all people. */
export const streamsOfPerson = 20;
export const streamsInAll = 500;
/** A stream of a Worker ends after this long, and the page opens another: its end may go unnoticed there. */
export const requestStreamMs = 10 * 60_000;
/** The first snapshot is written when the start is over and its first calls are answered; so often it is tried until the data are known. */
export const snapshotFirstMs = 5_000;
/** An outage shows as an age of a minute more than it lasts; unchanged data cost one small file each time. */
export const snapshotEveryMs = 60_000;
/** A snapshot whose writing takes long is followed by so many times that long without writing. */
export const snapshotRestFactor = 10;
/** Data that were last known to be current longer ago than this are not written: the database may be away. */
export const snapshotSilentMs = 10_000;
/** The last write, at the end: what takes longer is given up, and the snapshot before it stays. */
export const snapshotLastMs = 5_000;
/** Clocks of one machine that was set back, or of two that share a disk, may differ by this. */
export const snapshotAheadMs = 5 * 60_000;

/** Names of certificates by ACME: each is an order of its own, and authorities limit orders. */
export const acmeNames = 100;
/** An answer of an ACME authority: a chain of certificates is some 10 kB. */
export const acmeAnswerBytes = 256 * 1024;
/** Until an authority's answer begins. */
export const acmeTimeoutMs = 30_000;
/** Connections to the listener of `http-01`, in all and from one address: authorities ask from a handful of places. */
export const acmeConnections = 128;
export const acmeConnectionsPerAddress = 16;
/** Rate limits of authorities are counted by the week. */
export const longestAcmeSilenceMs = 7 * 24 * 3_600_000;
/** Between two looks for names whose time has come, and at an order that the authority works on. */
export const acmePollMs = 2_000;
/** An order that takes longer has failed; its challenge is answered as long. */
export const acmeOrderMs = 3_600_000;
/** Between two notes that the names of the settings are still wanted, and after how long without one a name is forgotten. */
export const acmeWantEveryMs = 3_600_000;
export const acmeForgottenMs = 7 * 24 * 3_600_000;
/** The first wait after a failed try, in back-offs of ESPALIER_RETRY_BASE_SECONDS, and the longest. */
export const acmeRetryFactor = 30;
export const acmeRetryMaxSeconds = 6 * 3_600;
/** Between two looks of a process for certificates and answers of others; and after how long each has had some. */
export const acmeLearnEveryMs = 1_000;
export const acmeLearntMs = 3_000;
/** Open challenges are read again for an unknown token, for all who ask at the time together. */
export const acmeChallengesFreshMs = 200;
/** While the database is away nobody can say that an operator's role was withdrawn: his token counts for so long from its issue. */
export const operatorTokenMs = 15 * 60_000;

/** A tenant with more routes has them in 256 objects of the bucket instead of in its sheet, which a change writes anew. */
export const sheetRoutes = 2_048;
/** Tenants whose rows are read together for the bucket: a sheet's routes are some hundred bytes each while they are read. */
export const sheetsAtOnce = 16;
/** Of the six connections that an event of a Worker may have open the database has some. */
export const bucketWritesAtOnce = 3;
/** An alarm writes for so long and leaves the rest to the next one, which follows at once. */
export const bucketTurnMs = 10_000;
/** An alarm that takes longer hangs: its connection is given up. */
export const bucketTurnHangsMs = 120_000;
/** So many changes of routes of one tenant are looked at one by one; where there are more, all its routes are written anew. */
export const bucketRouteChanges = 20_000;
/** While the database is away an isolate looks so often whether the snapshot is another one. */
export const bucketIndexMs = 30_000;
/** After a read of the bucket that failed, or gave what may not be served. */
export const bucketRetryMs = 5_000;
/** A caller waits for the database first, and both together must not take longer than two seconds. */
export const bucketReadMs = 1_000;
/** Bytes of sheets and of routes that an isolate keeps opened; it has 128 MB for everything. */
export const openedSheetsBytes = 8 * mebibyte;
/** While the database is away one request in so long finds out whether it is back, and the others do not wait for that. */
export const awayTryMs = 500;
/** A read that failed while the database answers others is asked again so often. */
export const askedAgainMs = 250;
/** A row that takes longer: the database went silent. Half a second may have gone by before, and a caller waits two. */
export const silentAfterMs = 1_300;
/** Tenants for which Entra's keys are fetched by one alarm, at least; where there are many, a sixtieth of them each minute. */
export const bucketKeySetsAtOnce = 60;
/** Keys that are not fetched within it wait for the next alarm: what Entra does must not keep the snapshot from being written. */
export const bucketKeySetsMs = 5_000;

/** Check-ins that a process remembers; one costs some 100 bytes. */
export const maxRememberedCheckIns = 500_000;
/** Check-ins that are looked up together: one statement of some milliseconds. */
export const checkInsLookedUpTogether = 128;
/** Computers whose period has ended, of one event of the intake. */
export const checkInsDueTogether = 100;
/** Check-ins are remembered under a lease of so long, or a quarter of the period where that is shorter. */
export const checkInLeaseMs = 15_000;
/** Time before the end of a lease from which nothing is remembered under it, as a share of the lease. */
export const checkInSafety = 0.2;
/** Interval at which a process looks which periods have ended, or a sixteenth of the period where that is shorter. */
export const checkInTickMs = 1_000;
/** Interval at which somebody looks for marks that were left, or a sixteenth of the period where that is shorter. */
export const checkInSweepMs = 5_000;
/** Marks that are acted on in one turn. */
export const checkInMarksAtOnce = 64;

/** A ticket can be opened, and its session resumed, by whoever learns the secret while it lives. Half a day. */
export const ticketSecretMs = 12 * 60 * 60_000;
/** A process of a machine answers its supervisor within this, or counts as one that does not; a probe waits 2 s. */
export const processAnswerMs = 1_900;
/** The supervisor notes so often what its processes have counted, in case one ends without a word. */
export const processCountsMs = 2_000;
/** What a process of a machine took of limits is told to the others so long after the first of it. */
export const takingsToldMs = 20;
/** Keys of limits whose takings wait to be told; such messages that a process has not read. More is not told. */
export const takingsWaiting = 10_000;
export const takingsUnread = 50;
/** Until a process that ended is started anew, doubled with each start in vain. */
export const processRestartMs = 200;
export const processRestartMaxMs = 30_000;
/** Starts in vain, one after the other, after which a supervisor without any process gives up. */
export const processStartsInVain = 5;
/** A process that another one takes the place of is given this at least to be left by its callers in order. */
export const processLeaveMs = 2_000;
/** What a process that has exited said before is read within this, or not at all. */
export const processLastWordsMs = 1_000;
/** A process that should have ended is killed this long after all that it may wait for. */
export const processKillMs = 10_000;

/**
 * A migration gives up a lock that it does not get within this: every statement that needs the table queues behind it
 * meanwhile, so it is well below what callers wait for.
 */
export const migrationLockTimeoutMs = 1_000;
/** Pauses between its tries, in which the queue that it has made empties. */
export const migrationPausesMs: readonly number[] = [500, 1_000, 2_000, 4_000, 8_000];
