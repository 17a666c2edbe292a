/**
 * Tests of the system that hold on Node and on Workers alike: each file is run against `espalier serve` by `npm test`, and
 * against both Workers on workerd by `npm run test:workers`.
 */

export interface Conformance {
  readonly requirement: string;
  /** Below test/system, or below test with their folder. */
  readonly files: readonly string[];
  /** By title: why a test says nothing of Workers. */
  readonly not?: Readonly<Record<string, string>>;
}

const noMetrics = 'a Worker has no /metrics (docs/workers.md)';
const twoWorkers = 'keys are revoked by one Worker and shown to the other';
const pathsBefore = (spellings: readonly string[]) =>
  Object.fromEntries(
    spellings.map((one) => [
      `because a path with ${one} is refused`,
      'Cloudflare normalizes a path before a Worker sees it',
    ]),
  );

export const conformance: readonly Conformance[] = [
  {
    requirement: 'from a webhook to a verified report, and back by the instance that manages the Mac',
    files: ['main-job', 'partner-policy', 'delivery-counts'],
    not: { 'counts what it did': noMetrics },
  },
  { requirement: 'inventory for the verdict of Intune', files: ['conditional-access'] },
  {
    requirement: 'what fails on the way: instances, Intune, Entra, the gateway itself',
    files: ['adversity', 'refused-tokens'],
    not: { 'drains on SIGTERM and exits 0': 'a Worker has no process that ends' },
  },
  {
    requirement: 'device calls, also where the instance misbehaves',
    files: ['forwarding'],
    not: {
      'answers instance-error for half a head and for what is no HTTP':
        "the platform's fetch does not tell it from a connection that breaks",
      'tries a GET once more on a new connection where an idle one was closed as it came, and no POST':
        "connections are the platform's, which tries again by itself",
      'refreshes the token once, also for many calls at the same time':
        'calls at the same time wait for nothing that another one began (docs/workers.md)',
      'holds few connections to one instance, whatever comes, and answers all':
        'the platform pools connections, and so does Hyperdrive those to the database',
    },
  },
  {
    requirement: "device calls that are passed through as they are, for the device's own computer alone",
    files: ['pass-through'],
    not: {
      'gives back codings unread': "the platform's fetch unpacks what it reads, and Cloudflare packs again",
      ...pathsBefore(['dots', 'dots that lead back to the list', 'encoded dots']),
      ...pathsBefore(['encoded slashes', 'backslashes']),
    },
  },
  {
    requirement: 'intake: credentials, shapes, codings and limits',
    files: ['intake', 'strangers', 'hostile/bodies'],
    not: {
      'counts the elements of an event that it could not use': noMetrics,
      'import: a cell of 2 MB: 400':
        'the local front may lose an answer that comes while a long body is still sent',
      'opens nothing any more in the process that revoked it: a key of an instance': twoWorkers,
      'opens nothing any more in the process that revoked it: the keys of a deleted instance': twoWorkers,
    },
  },
  {
    requirement: 'intake: records and events as they come, in order, and what cannot be used',
    files: ['odd-records', 'named-in-bulk', 'large-pushes'],
  },
  {
    requirement: 'routes: learned, explained, moved, placed',
    files: ['routing', 'routes-api', 'moves'],
  },
  { requirement: 'landing pages', files: ['landing'] },
  {
    requirement: 'connecting, from the first consent to Active, leaving and coming back',
    files: ['consent-pages', 'connection', 'confirmation', 'life-cycle', 'migration'],
  },
  {
    requirement: 'change notifications of Microsoft Graph',
    files: ['notifications'],
    not: {
      'what is rejected is counted': noMetrics,
      'a subscription is renewed before it ends, however short Graph makes it':
        'an object looks every ten seconds for what Graph grants for hours; the test grants eight seconds',
    },
  },
  {
    requirement: 'problems, for programs and as pages',
    files: ['error-pages', 'api-malformed'],
    not: {
      'says so on the ops listener too, where there is no console to open': 'a Worker has no ops listener',
    },
  },
  {
    requirement:
      'the admin API: roles, tenants, keys, versions, repeated requests, search, reports, what needs a person',
    files: ['admin', 'api-keys', 'api-lists', 'versions', 'idempotency', 'search', 'reports', 'overview'],
  },
  {
    requirement: 'operators of Entra, and the history of what operators did',
    files: ['entra-operators', 'history'],
  },
  {
    requirement: 'the console',
    files: ['console-tenant', 'console-devices', 'console-moves', 'console-reports'],
  },
];
