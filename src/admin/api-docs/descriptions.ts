/**
 * Descriptions say more than each operation's summary: what it waits for, what it leaves alone, and what its answer
 * means. A test fails for an operation without one.
 */
export const descriptions: Readonly<Record<string, string>> = {
  listSessions:
    'Each browser that is signed in: by which key or person, since when, when it was last used and when it ends. `current` marks the one that asks.',
  endSession:
    'The browser is signed out with its next request, a stream of events within two seconds. It stands in the history.',
  getSettings:
    'Every environment variable with its group, its value or default and what it means, of the process that answers. Secrets are masked, of DATABASE_URL host and database are shown. A key that is bound to tenants is refused, because this is about all of them.',
  getVersion:
    'The version of the process that answers. During an upgrade two processes may answer differently.',
  listClouds:
    'The built-in clouds and those of ESPALIER_CLOUDS_FILE, with the hosts that a discovered Intune address may have. A tenant belongs to one of them for good.',
  getSession:
    'The name, role and tenants of the key, token or session that was shown. A browser also reads here the token that its writes have to send as x-espalier-csrf.',
  getOverview:
    'What needs a person comes first, the most urgent on top, each with who has to act, what ends it and the page to do it on. Of failed reports the newest 500 of a tenant are counted, of what waits the first 1,000; countIsLeast and isLeast say so. The answer may be a second old.',
  search:
    'At most 20 of a kind, of the tenants that the operator sees; more says that there are others. Serial numbers are matched whole, in capitals too; a computer by how its name begins; an id by all of it. A user is found by the object id in Entra, not by a name or address: no list of users is kept.',
  streamEvents:
    'Changes of the tenants that the operator sees, gathered to one event a second at most, and a comment every 15 seconds. The stream ends within two seconds of the credential and does not count as use of a session. A reader comes back by itself; what changed meanwhile it reads anew.',
  listTenants: 'A key that is bound to tenants sees those alone, and totalCount counts only what it may see.',
  createTenant:
    'Nothing is sent to Microsoft: connect and confirm do that. The answer may hold warnings about a secret reference that gives no secret yet.',
  getTenant:
    'The settings of the tenant and the state of its connection. GET …/status says what waits and why.',
  changeTenant:
    'Members that are left out stay as they are. Mode and connection type change by migrate only, because Intune and Jamf Pro take part in that.',
  deleteTenant:
    'A connected tenant is deprovisioned at Intune first; while Intune cannot be told, the answer is 409. Instances, keys, routes and reports go with it, its history stays.',
  connectTenant:
    'An administrator of the tenant opens the addresses one after the other within an hour. Older addresses are void. Nothing changes at Microsoft before the consent.',
  listConsents:
    'What connect asked for: given, declined, failed with the words of Microsoft and a remedy, or open until a time. A tenant of type manual has none. clientId of the connector is the application id that Intune asks for.',
  confirmTenant:
    'Takes tokens, checks permissions, finds the Intune address, provisions, makes the compliance policy and tests each enabled instance. Each step says whether it worked, its cause, its remedy and who has to act. With Accept: application/x-ndjson each is told as soon as it is done.',
  getConfirmation:
    'Of the newest confirm or enable: running with the steps so far, ended with all of them, or interrupted when the process that was at it is gone; to be confirmed again then. A browser or command that lost its connection reads here what became of it.',
  pauseTenant:
    'Reports are held and go on being brought up to date; device calls are still answered. Intune marks Macs that it hears nothing of for long.',
  resumeTenant: 'What was held is due at once. dry-run=true says how many reports that would be.',
  getTenantStatus:
    'The state of the connection and of the partner in Intune, the last heartbeat, the backlog with the causes of what is held, the age of the oldest report that Intune does not have, and the dates on which Intune removes Macs.',
  getTenantDelivery:
    'What was delivered in each step of the time until now. Received: a state of a device was new, and Intune had to be told. Accepted, completed, failed: what became of reports, also of those of a resync or replay. Delays are seconds from the state being new to Intune accepting it, from a histogram and at most a fifth off. Numbers are up to 2 s old and are kept for 35 days.',
  enableTenant:
    'For a tenant that was disabled: the steps of confirm, after which every state is told again over time. Macs do not register again.',
  disableTenant:
    'What unticking the box in Jamf Pro does: Intune is told that the partner is gone. The tenant can be enabled again at any time.',
  disconnectTenant:
    'With retract=true every device is first told to be not managed and not compliant, which takes a while; the connection ends after that. To come back, connect again.',
  resyncTenant:
    'Every state that was told becomes due again, 100 a second, behind what is new. The answer says how many reports that is.',
  getTenantPermissions:
    'Asks Graph for what both applications were granted. missing breaks the connection, extra is unsupported by Microsoft; both have a remedy in docs/connection.md.',
  migrateTenant:
    'A dry run unless dry-run=false: the steps of the change in their order, who takes each, the window of 24 hours and the dates. Devices, routes and history are kept.',
  beginMoveOut:
    'From its answer on this deployment sends nothing for the tenant, reads nothing, changes nothing and takes no webhook or push for it; device calls are still answered. A connection that is being ended, a confirm at work and an open move of devices are in the way. See docs/cells.md.',
  getMoveOut:
    'waitsFor counts reads and uploads that began before the fence, and the seconds until every request from before it has ended. ready: the file may be taken.',
  cancelMoveOut:
    'The tenant lives here again, and what waited is done within a minute. Once a file was given out it takes force=true, for a tenant must not live in two deployments.',
  setRelay:
    "Webhooks, pushes, device calls, notifications and landing pages of the tenant go on to `to` with their callers' credentials, once, and are answered as that answers: 202 only after its 202, 503 while it is away. Takes a file that was given out, and an admin of all tenants. After `until` they are 404.",
  endRelay: 'Webhooks and pushes are 503 again, and device calls are answered by what this deployment knew.',
  getMoveOutFile:
    'The key is made by whoever asks and is not kept: without it nobody opens the file. Every file of one departure says the same, so a transfer that broke off is begun anew. Secrets of instances are in it.',
  moveIn:
    'One transaction: the whole file, or nothing. The same file again answers already=true; one of an older generation, or of another version of the schema, is a conflict. Every instance is reconciled afterwards; confirm tells Intune the addresses of this deployment.',
  listInstances:
    'Each with its last contact, its last error and how far polling and reconciliation are. Secrets are never shown.',
  createInstance:
    "The URL's address is checked against the rules for outgoing connections. Test it afterwards, and make a key for its webhooks. A tenant of type manual has one instance only.",
  getInstance: 'Settings, last contact and error, and the addresses to which its webhooks and pushes go.',
  changeInstance:
    "enabled=false lets the instance's claims rest: its devices go to other instances that claim them. dry-run=true says how many routes that would change.",
  deleteInstance:
    'Devices that another instance claims move to it. Of the others the routes end; with retract=true Intune is told before that they are not managed.',
  testInstance:
    'Each step on its own: a token, the version, one page of inventory, compliance information. All calls together take 30 s at most. Nothing in Jamf Pro is changed.',
  pauseInstance:
    'It is neither read nor called until it is resumed; its webhooks and pushes are still taken in and wait.',
  resumeInstance:
    'What waited is read at once, and the instance is polled for what it did not tell meanwhile.',
  reconcileInstance:
    'Begins in the background and is answered at once; reading.reconciledAt of the instance says when it has ended. A computer that is not listed is asked for itself before it counts as gone.',
  rebuildRoutes:
    'After a database was lost: begins in the background for every enabled instance. The command espalier routes rebuild shows how far it is.',
  listInstanceKeys: 'Name, first characters, expiry and last use. A key that has expired is not listed.',
  createInstanceKey:
    'For the webhooks and pushes of this instance alone. An instance has two live keys at most, so that one can replace the other without a gap.',
  getInstanceKey: 'Name, first characters, expiry and last use; lastUsedAt is written once a minute at most.',
  deleteInstanceKey:
    'From this answer on it opens nothing in this process, and a second later in no process at all. Webhooks with it are lost: make and use the next key first.',
  importDevices:
    'Up to 1,000,000 rows, streamed. mode=partial takes every good row and lists the bad ones with their lines; mode=atomic takes all or none. Rows that change nothing are counted as accepted.',
  exportDevices:
    'The same columns that an import takes, so an export can be imported again without a change. Cells that a spreadsheet would run as a formula begin with an apostrophe, which an import takes away.',
  listDevices:
    'Every device that has a route, with what Intune was last told about it. conflict==true in the filter leaves those that two or more computers of enabled instances claim.',
  getDevice: 'Its ETag begins with routeVersion; PUT and DELETE compare that.',
  placeDevice:
    'The computer is read at once, and its state is told as the device’s. The same place again changes nothing; another serial number or UDID is a new version too.',
  deleteDevice:
    'Claims of instances on the device go too, or they would bring it back at once. dry-run=true says how many claims that are, and whether Intune would be told.',
  explainDevice:
    'Every claim on the device with its dates, in the order in which the rules compare them. With at=<time> the answer is the one that was given then.',
  getDeviceTimeline:
    'Received, fetched, routed, sent, accepted, completed and verified, each with its time and the ids with which Jamf or Microsoft know it.',
  compareDevice:
    'The Jamf side is what was read last, the Intune side what the last message said, and Entra is looked up for a sample of the messages after they were completed. differences names what is not the same; what is not known differs from nothing.',
  refreshDevice:
    'Every computer record that names the device is read at once, whatever back-off it had; one of a paused or disabled instance waits for it. A held report is looked at again, and a failed one is told again.',
  erasePerson:
    "Reports, computers, links, directory rows, timelines and the histories of claims and routes of the person's devices go, and what the history says of them; who did what kind of thing when stays. 409 while an instance still names one of the devices, or, without force=true, Intune has not confirmed that it is not managed. proof names the entry of the history that holds the counts and the hashes of what was erased there. docs/data.md says what stays.",
  getRouteConvergence: 'After a change of routes: whether every process that serves already answers by it.',
  planMove:
    'Chooses the devices of one instance that the other claims; with unclaimed=true also the others. Nothing moves before advance.',
  listAllMoves:
    'Those of the tenants that the operator sees, each with how far it is. The filter narrows them to a state or a tenant.',
  listMoves: 'Those that have ended too; the filter can leave them out.',
  getMove:
    'Counts by state, with the causes of what is skipped. Differences are of answers that were compared in the shadow.',
  listMoveDevices: 'Each with its state, where it was, and why it was skipped if it was.',
  advanceMove:
    'Works for some seconds and answers; what is left follows by itself. Which devices go at a percentage is decided by a hash of their ids, so a higher one only adds.',
  pauseMove: 'Devices that have moved stay where they are, and nothing more follows.',
  rollbackMove:
    'Devices that went elsewhere since are left alone. Reports that were accepted meanwhile are neither lost nor doubled.',
  listRouteChanges:
    'One line for each device and version, with where it was and where it went. Claims, operators, imports, moves and rollbacks all stand in it.',
  diffRoutes:
    'Both versions have to be within what the history keeps; the newest version is the first line of routes/changes.',
  rollBackRoutes:
    'Devices that had no route then lose theirs. dry-run=true lists every route that would change. The reason is kept with each change.',
  listRouteConflicts: 'The claim that loses is kept; explain says what would make it win.',
  listStaleRegistrations:
    'A Mac that registers with Entra again leaves its old registration behind there. Deleting it in Entra is the tenant administrator’s business.',
  listReports:
    'One report for each device: the newest state that Intune should hold, and how far it is. A key that is bound to tenants sees their reports alone.',
  listReportCauses:
    'Failed and held reports grouped by cause, each with who has to act, the remedy and since when.',
  replayReports:
    'They are sent again at 100 a second for each tenant. Held reports are looked at at once; reports that are on their way are left alone. dry-run=true says how many there are, with a sample.',
  listApiKeys:
    'A tenant-bound admin sees the keys that are bound within its tenants. A revoked key is not listed; an expired one is until it is deleted.',
  createApiKey:
    'Bound to tenants, or to none: then it is for all of them. A bound admin can make keys within its tenants only.',
  getApiKey: 'Role, tenants, expiry and last use; lastUsedAt is written once a minute at most.',
  deleteApiKey:
    'From this answer on it opens nothing in this process, and a second later in no process at all. When the last admin key goes, the bootstrap key does not come back.',
  listOperators:
    'People and applications whom Entra signed in here, and everybody of each Entra tenant that may, who are bound where nobody is himself. Who was not seen for 90 days and has no assignment is left out. A tenant-bound admin sees those who are bound within its tenants.',
  getOperator:
    'Name and role are those of the last token. tenants are the ones that the operator sees from the next request on; assignment says why.',
  assignOperator:
    'Holds from the next request on, in every process, and within two seconds on an open stream of events. It can be made before the first sign-in. The own assignment of an operator decides before that of everybody of the Entra tenant. A tenant-bound admin binds operators who are bound within its tenants, to tenants of its own.',
  unassignOperator:
    'From the next request on the assignment of everybody of the Entra tenant decides; without one the operator sees all tenants. A tenant-bound admin can end what leaves the operator within its tenants.',
  listHolds:
    'A hold begins when more Macs of the tenant change for the worse within an hour than ESPALIER_MASS_CHANGE_PERCENT allows, 50 at least. One is in force at a time: open or refused. held counts the devices whose newest state waits now; a device whose state is fine again leaves the hold. Ended holds are listed for 90 days.',
  getHold:
    'instances says where the held states come from, examples what Intune would be told of some of the devices. In mode alert nothing is held, and in hold-unmanaged no Mac that is only not compliant.',
  releaseHold:
    'What was held is told to Intune, 100 devices a second and behind what is new; a policy that asks for a compliant device then locks their users out. The count of the hour begins anew. 409 when the hold has ended.',
  refuseHold:
    'The instances that the held states came from are reconciled, all of the tenant where nothing is held. The hold stays in force: states that are fine again are told, those that are not go on waiting. It ends by itself an hour after nothing is held any more, and may be released or refused again.',
  listApprovals: 'What waits is kept for a day, what was decided for 90 days.',
  getApproval: 'The request as it was made, who asked, who decided, and the answer that it got.',
  approveApproval:
    'Everything is checked anew, with the rights that the asking key or person has now. Who asked cannot approve.',
  rejectApproval: 'The request is not carried out, and cannot be approved any more.',
  listAlertTargets:
    'A tenant-bound key sees the targets that are for its own tenants alone. state given-up: it has taken nothing for five days, and is told nothing until it is changed or tested. Of an address only the origin is shown, for the rest of it opens a chat.',
  createAlertTarget:
    'Without tenants it is for all of them and for the gateway itself, which only an operator who is not bound to tenants may ask for. Messages of the format standard are signed by Standard Webhooks with the secret, which is shown this once. history streams what is recorded from now on.',
  getAlertTarget: 'What it is told, what it took last, and why it did not take more.',
  changeAlertTarget:
    'null ends tenants or kinds. Every change lets a target that was given up be tried again. The format and the secret stay: for others make a new target.',
  deleteAlertTarget: 'What it was not told yet it is not told any more.',
  testAlertTarget:
    'Sends a message of type alerts.test at once and says what came of it; ok=false is an answer, no problem. A test that arrives lets a target go on that was given up.',
  listHistory:
    'Every change by people and by the gateway itself, with the state before and after; secrets are named as set or changed, never shown.',
  verifyHistory:
    'Recomputes the hash of every entry. brokenAt names the first one that is not as it was written. A tenant-bound key checks the chains of its tenants.',
};
