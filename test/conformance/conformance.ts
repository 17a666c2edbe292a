/**
 * Tests of the system that hold on Node and on Workers alike: each file is run against `espalier serve` by `npm test`, and
 * against both Workers on workerd by `npm run test:workers`.
 */

export interface Conformance {
  readonly requirement: string;
  /** Below test/system. */
  readonly files: readonly string[];
  /** By title: why a test says nothing of Workers. */
  readonly not?: Readonly<Record<string, string>>;
}

export const conformance: readonly Conformance[] = [
  {
    requirement: 'from a webhook to a verified report, and back by the instance that manages the Mac',
    files: ['main-job', 'partner-policy', 'delivery-counts'],
    not: { 'counts what it did': 'a Worker has no /metrics (docs/workers.md)' },
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
    requirement: 'intake: records and events as they come, in order, and what cannot be used',
    files: ['odd-records', 'named-in-bulk', 'pushes-and-reads'],
  },
  { requirement: 'routes: learned, explained, moved, placed', files: ['routing', 'routes-api', 'moves'] },
  { requirement: 'landing pages', files: ['landing'] },
  { requirement: 'connecting, leaving and coming back', files: ['confirmation', 'life-cycle', 'migration'] },
  {
    requirement:
      'the admin API: roles, tenants, keys, versions, repeated requests, search, reports, what needs a person',
    files: ['admin', 'api-keys', 'versions', 'idempotency', 'search', 'reports', 'overview'],
  },
  { requirement: 'the console', files: ['console-tenant', 'console-devices'] },
];
