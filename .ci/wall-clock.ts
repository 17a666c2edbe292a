import { readTree } from './layers.ts';

/**
 * Durations are measured by `monotonicMs` (src/clock.ts): a wall clock that is set limited, held and forgot what it should
 * not. `node .ci/wall-clock.ts` prints a line for each file that reads the wall clock and is not known to need a date.
 */

/** What the file needs the date for. */
const dates: Readonly<Record<string, string>> = {
  'src/acme/alpn.ts': 'a certificate is valid between dates',
  'src/acme/ca.ts': 'a Retry-After may be a date',
  'src/acme/order.ts': 'certificates are valid between dates',
  'src/admin/devices/explain.ts': 'compares with the time that a caller asks about',
  'src/admin/devices/refresh.ts': 'dates what a person asked for',
  'src/admin/keys/keys.ts': 'a key expires at a date',
  'src/admin/operators/entra-bindings.ts': "a token's times are dates",
  'src/admin/operators/entra-operators.ts': "a token's times are dates",
  'src/admin/sign-in/finish.ts': "a token's times are dates",
  'src/admin/tenants/connection.ts': 'says how old a stored date is',
  'src/admin/tenants/consents.ts': 'a consent link ends at a date',
  'src/admin/tenants/relay.ts': 'a relay ends at a date',
  'src/alerts/attention-words.ts': 'a credential expires at a date',
  'src/alerts/post-message.ts': 'a message is signed with its date, and a Retry-After may be a date',
  'src/alerts/read-attention.ts': 'a certificate expires at a date',
  'src/alerts/test-target.ts': 'dates a test',
  'src/cli/declared/apply.ts': 'says what lies before and after a date',
  'src/cli/doctor/examine.ts': 'judges dates of certificates and clocks of hosts',
  'src/cli/doctor/run.ts': 'dates a report',
  'src/cli/serve-words.ts': 'dates the ready line',
  'src/connection/cells/relay.ts': 'a relay ends at a date',
  'src/connection/consent.ts': 'a consent expires at a stored date',
  'src/connection/heartbeat.ts': 'dates a heartbeat',
  'src/connection/lifecycle.ts': 'dates a removal, months ahead',
  'src/connection/migrate.ts': 'dates steps and compares with stored dates',
  'src/connection/partner-watch.ts': 'dates what was seen',
  'src/connection/permission-watch.ts': 'dates what was seen',
  'src/connection/subscriptions/keep-subscriptions.ts': "Graph's subscriptions expire at a date",
  'src/connection/tenant-credentials.ts': 'a consent expires at a stored date',
  'src/delivery/computers/ask.ts': 'dates a request',
  'src/delivery/computers/fetch-computer.ts': "compares with Jamf's report dates",
  'src/delivery/computers/learn-named.ts': 'dates a look',
  'src/delivery/computers/reconcile.ts': 'dates a reconciliation',
  'src/delivery/intake.ts': "compares with Jamf's report dates",
  'src/entra/tokens.ts': "an assertion's times are dates",
  'src/graph/call.ts': 'a Retry-After may be a date',
  'src/intune/call.ts': 'a Retry-After may be a date',
  'src/jamf/client.ts': 'a Retry-After may be a date',
  'src/routing/claims.ts': "compares with Jamf's enrolment dates",
  'src/routing/place-device.ts': "compares with Jamf's enrolment dates",
  'src/runtime/background.ts': 'dates how long Macs are gone',
  'src/runtime/connection-services.ts': 'dates a confirmation',
  'src/runtime/delivery.ts': 'dates reports',
  'src/runtime/gateway.ts': "a token's times are dates",
  'src/runtime/node-balancer.ts': 'client certificates are valid between dates',
  'src/runtime/certificate-expiry.ts': 'certificates are valid until a date',
  'src/runtime/node-certificate-expiry.ts': 'certificates are valid until a date',
  'src/runtime/node-certificate.ts': 'certificates are valid between dates',
  'src/runtime/node-snapshot-parts.ts': 'dates when keys were fetched',
  'src/runtime/node-snapshot/keep.ts': 'dates a snapshot',
  'src/runtime/node-snapshot/snapshot.ts': "says how old a snapshot's date is",
  'src/runtime/worker/deliverer.ts': 'an alarm is set for a date',
  'src/runtime/worker/snapshot/keeper.ts': 'dates a snapshot, and an alarm is set for a date',
  'src/runtime/worker/snapshot/open-vault.ts': "says how old a snapshot's date is",
  'src/runtime/lane/answer.ts': "an answer's Date header",
  'src/runtime/node-metric-producer.ts': 'metrics are sent with dates',
  'src/store/computers/reading.ts': 'dates a request',
  'src/store/credentials.ts': 'a credential expires at a date',
  'src/store/tenants/hold.ts': 'dates a hold',
  'src/store/timeline.ts': 'dates events',
  'src/store/history.ts': 'keeps entries for days, by their date',
  'src/telemetry/log.ts': 'dates a line',
  'src/telemetry/counters.ts': 'metrics are sent with dates',
  'src/telemetry/deltas.ts': 'metrics are sent with dates',
  'src/telemetry/recorded-spans.ts': 'spans are sent with dates',
};

const readsWallClock = /\bDate\.now\b|\bnew Date\(\)/;
const isProduct = (path: string): boolean =>
  path.startsWith('src/') && !path.startsWith('src/simulator/') && !/\.test\.ts$/.test(path);

/** `files`: path from the project's root to text. A line a fault, in the order of the paths. */
export function checkWallClock(files: ReadonlyMap<string, string>): string[] {
  const reading = [...files].filter(([path, text]) => isProduct(path) && readsWallClock.test(text));
  const found = new Set(reading.map(([path]) => path));
  const unknown = [...found]
    .filter((path) => dates[path] === undefined)
    .map(
      (path) =>
        `${path} reads the wall clock: use monotonicMs of src/clock.ts, or say in .ci/wall-clock.ts which date it needs`,
    );
  const idle = Object.keys(dates)
    .filter((path) => !found.has(path))
    .map((path) => `${path} does not read the wall clock any more: take it out of .ci/wall-clock.ts`);
  return [...unknown, ...idle].sort();
}

if (import.meta.main) {
  const faults = checkWallClock(readTree());
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
