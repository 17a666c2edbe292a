/**
 * The metrics of contract section 10: the Node runtime exposes them to Prometheus, and both runtimes send them through
 * OTLP when OTEL_* is set. No label holds a device id.
 */

import {
  type Counters,
  createCounters,
  type Gauge,
  type GaugeOf,
  type Labels,
  record,
  type Series,
} from './counters.ts';

/** An element of a webhook, a member of a computer's record, or a whole record of a push. */
export type IgnoredInput = 'webhook-element' | 'record-member' | 'record';

/** What a process that can measure itself says of its load and its size. */
export interface ProcessRead {
  /** Level of the load, from 0, at which nothing is refused, to 5. */
  readonly pressure: number;
  /** The highest of the last minute. */
  readonly eventLoopDelaySeconds: number;
  /** Used part of the heap that V8 may have, 0 to 1; the highest of the last minute. */
  readonly heapShare: number;
  /** The longest that a request waited for a connection to the database in the last minute. */
  readonly databaseWaitSeconds: number;
  readonly residentBytes: number;
  /** Processor time of all threads since the process began. */
  readonly processorSeconds: number;
  readonly startedAtSeconds: number;
}

/** Gauges are looked at when somebody scrapes; each observation is a value with labels. */
export type Observe = (value: number, labels?: Labels) => void;

export interface Metrics {
  request(labels: { listener: string; route: string; status: number }, seconds: number): void;
  /** `request` for one listener and route, whose series are looked up once. */
  requestsOf(listener: string, route: string): (status: number, seconds: number) => void;
  forward(outcome: string, seconds: number): void;
  routeLookup(result: 'hit' | 'miss' | 'unknown'): void;
  upload(outcome: string): void;
  /** Counts devices that change for the worse, each once an hour, and whether that was told or held. */
  changeForWorse(change: string, outcome: string, devices: number): void;
  tokenRequest(service: string, outcome: string): void;
  heartbeat(outcome: string): void;
  notification(outcome: string, count?: number): void;
  /** Counts messages to targets of alerts. */
  alertMessage(outcome: string): void;
  /** Counts input of an instance that could not be used, beside the rest that was. */
  inputIgnored(kind: IgnoredInput, count: number): void;
  /** Counts connections whose PROXY header was refused. */
  proxyProtocolRefused(listener: string, reason: string): void;
  /** Counts client certificates of a trusted proxy's header that were not taken. */
  clientCertificateRefused(reason: string): void;
  /** Records once how device calls are served in this process, and why. */
  laneMode(mode: string, reason: string): void;
  /** Counts a request that was refused because the gateway has more to do than it can. */
  shed(requestClass: string): void;
  /** Registers how the process measures itself; called at every scrape. */
  onProcess(read: () => ProcessRead): void;
  /** Registers what fills the gauges; called at every scrape. `database`: it finds the same whichever process looks. */
  onScrape(
    fill: (observe: {
      reports: Observe;
      reportAgeSeconds: Observe;
      instanceUp: Observe;
      instanceInfo: Observe;
      tenants: Observe;
      tenantsPermissionDrift: Observe;
      massChanges: Observe;
      heartbeatAgeSeconds: Observe;
      credentialExpirySeconds: Observe;
      sealedSecrets: Observe;
      acmeExpirySeconds: Observe;
      acmeNextTrySeconds: Observe;
      acmeFailedTries: Observe;
      snapshotAgeSeconds: Observe;
      degraded: Observe;
    }) => Promise<void>,
    of?: GaugeOf,
  ): void;
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A series for each first and second label, looked up without making a key of them. */
function seriesBy(
  make: (first: string, second: string) => Series,
): (first: string, second: string) => Series {
  const known = new Map<string, Map<string, Series>>();
  return (first, second) => {
    let bySecond = known.get(first);
    if (bySecond === undefined) {
      bySecond = new Map();
      known.set(first, bySecond);
    }
    let series = bySecond.get(second);
    if (series === undefined) {
      series = make(first, second);
      bySecond.set(second, series);
    }
    return series;
  };
}

/** What every request raises. */
function createRequestMetrics(
  counters: Counters,
): Pick<Metrics, 'request' | 'requestsOf' | 'forward' | 'routeLookup' | 'shed'> {
  const requests = counters.counter('espalier_requests_total', 'Requests answered');
  const durations = counters.histogram(
    'espalier_request_duration_seconds',
    'Time to answer a request',
    secondsBuckets,
  );
  const forwards = counters.histogram(
    'espalier_forward_duration_seconds',
    'Time of a forwarded device call',
    secondsBuckets,
  );
  const lookups = counters.counter('espalier_route_lookups_total', 'Look-ups in the routing table');
  const sheds = counters.counter('espalier_shed_total', 'Requests refused under pressure, by class');
  const listeners = new Map<
    string,
    { readonly count: ReturnType<typeof seriesBy>; readonly time: ReturnType<typeof seriesBy> }
  >();
  const ofListener = (listener: string) => {
    let found = listeners.get(listener);
    if (found === undefined) {
      found = {
        count: seriesBy((route, status) => requests({ listener, route, status })),
        time: seriesBy((route) => durations({ listener, route })),
      };
      listeners.set(listener, found);
    }
    return found;
  };
  const forwardSeries = seriesBy((outcome) => forwards({ outcome }));
  const lookupSeries = seriesBy((result) => lookups({ result }));
  const shedSeries = seriesBy((requestClass) => sheds({ class: requestClass }));
  return {
    request: ({ listener, route, status }, seconds) => {
      const { count, time } = ofListener(listener);
      count(route, String(status)).sum += 1;
      record(time(route, ''), secondsBuckets, seconds);
    },
    requestsOf: (listener, route) => {
      const { count, time } = ofListener(listener);
      const byStatus = new Map<number, Series>();
      let times: Series | undefined;
      return (status, seconds) => {
        let series = byStatus.get(status);
        if (series === undefined) {
          series = count(route, String(status));
          byStatus.set(status, series);
        }
        times ??= time(route, '');
        series.sum += 1;
        record(times, secondsBuckets, seconds);
      };
    },
    forward: (outcome, seconds) => record(forwardSeries(outcome, ''), secondsBuckets, seconds),
    routeLookup: (result) => {
      lookupSeries(result, '').sum += 1;
    },
    shed: (requestClass) => {
      shedSeries(requestClass, '').sum += 1;
    },
  };
}

/** Counters that rise now and then and have two labels at most. */
function createWorkMetrics(
  counters: Counters,
): Pick<
  Metrics,
  | 'upload'
  | 'changeForWorse'
  | 'tokenRequest'
  | 'heartbeat'
  | 'notification'
  | 'alertMessage'
  | 'inputIgnored'
  | 'clientCertificateRefused'
  | 'proxyProtocolRefused'
> {
  const counterOf = (name: string, description: string, first: string, second = '') => {
    const make = counters.counter(name, description);
    const series = seriesBy((one, other) => make({ [first]: one, ...(second && { [second]: other }) }));
    return (one: string, other = '', count = 1): void => {
      series(one, other).sum += count;
    };
  };
  const uploads = counterOf('espalier_uploads_total', 'Messages sent to Intune', 'outcome');
  const changes = counterOf(
    'espalier_changes_for_worse_total',
    'Devices that became unmanaged or not compliant, each once an hour: told, or held as part of a mass change',
    'change',
    'outcome',
  );
  const tokens = counterOf('espalier_token_requests_total', 'Token requests', 'service', 'outcome');
  const heartbeats = counterOf('espalier_heartbeats_total', 'Heartbeats sent to Intune', 'outcome');
  const notifications = counterOf('espalier_notifications_total', "Graph's change notifications", 'outcome');
  const alertMessages = counterOf(
    'espalier_alert_messages_total',
    'Messages to the targets of alerts',
    'outcome',
  );
  const ignored = counterOf(
    'espalier_input_ignored_total',
    'What instances sent that could not be used, beside what was',
    'kind',
  );
  const proxyProtocol = counterOf(
    'espalier_proxy_protocol_refused_total',
    'Connections closed for their PROXY header',
    'listener',
    'reason',
  );
  const clientCertificates = counterOf(
    'espalier_client_certificate_refused_total',
    'Client certificates in a header of a trusted proxy that were not taken',
    'reason',
  );
  return {
    upload: (outcome) => uploads(outcome),
    changeForWorse: (change, outcome, devices) => changes(change, outcome, devices),
    tokenRequest: (service, outcome) => tokens(service, outcome),
    heartbeat: (outcome) => heartbeats(outcome),
    notification: (outcome, count) => notifications(outcome, '', count),
    alertMessage: (outcome) => alertMessages(outcome),
    inputIgnored: (kind, count) => ignored(kind, '', count),
    clientCertificateRefused: (reason) => clientCertificates(reason),
    proxyProtocolRefused: (listener, reason) => proxyProtocol(listener, reason),
  };
}

const gauges = {
  reports: { name: 'espalier_reports', description: 'Reports by state', across: 'one' },
  reportAgeSeconds: {
    name: 'espalier_report_age_seconds',
    description: 'Age of the oldest work not yet done, by stage',
    across: 'one',
  },
  instanceUp: {
    name: 'espalier_instance_up',
    description: '1 when the last exchange with the instance succeeded',
    across: 'one',
  },
  instanceInfo: {
    name: 'espalier_instance_info',
    description: '1 for each enabled instance: the names for its id and that of its tenant',
    across: 'one',
  },
  tenants: {
    name: 'espalier_tenants',
    description: 'Tenants by state of their connection; held and paused are told apart from connected',
    across: 'one',
  },
  tenantsPermissionDrift: {
    name: 'espalier_tenants_permission_drift',
    description: 'Tenants whose applications have other permissions than they should',
    across: 'one',
  },
  massChanges: {
    name: 'espalier_mass_changes',
    description: 'Tenants of which too many devices change for the worse: open, or refused and asked again',
    across: 'one',
  },
  heartbeatAgeSeconds: {
    name: 'espalier_heartbeat_age_seconds',
    description: 'Time since the last heartbeat of the connected tenant that waits longest',
    across: 'one',
  },
  credentialExpirySeconds: {
    name: 'espalier_credential_expiry_seconds',
    description: 'Time until a credential of our applications expires',
    across: 'one',
  },
  sealedSecrets: {
    name: 'espalier_sealed_secrets',
    description:
      'Kept secrets by the key that sealed them: the first, an older one, or one that is not configured',
    across: 'one',
  },
  acmeExpirySeconds: {
    name: 'espalier_acme_certificate_expiry_seconds',
    description: 'Time until a certificate that came by ACME expires',
    across: 'one',
  },
  acmeNextTrySeconds: {
    name: 'espalier_acme_next_try_seconds',
    description: 'Time until a certificate by ACME is renewed, or tried again',
    across: 'one',
  },
  acmeFailedTries: {
    name: 'espalier_acme_failed_tries',
    description: 'Failed tries to renew a certificate by ACME since the last one was issued',
    across: 'one',
  },
  snapshotAgeSeconds: {
    name: 'espalier_snapshot_age_seconds',
    description: 'Time since what the snapshot in the data directory holds was last known to be current',
    across: 'highest',
  },
  degraded: {
    name: 'espalier_degraded',
    description: '1 while calls are answered from memory because the database is away',
    across: 'highest',
  },
} as const satisfies Record<string, Gauge>;
const laneGauge: Gauge = {
  name: 'espalier_fast_lane',
  description:
    '1 for the way that device calls take: past the streams of Node, through them, or no fast lane',
  across: 'highest',
};
/** The names that Prometheus' own libraries give, where they have one. */
const processGauges: Readonly<Record<keyof ProcessRead, Gauge>> = {
  pressure: {
    name: 'espalier_pressure',
    description: 'What is refused for the load, from 0, nothing, to 5',
    across: 'highest',
  },
  eventLoopDelaySeconds: {
    name: 'espalier_event_loop_delay_seconds',
    description: 'How late the event loop was, median of half a second; the highest of the last minute',
    across: 'highest',
  },
  heapShare: {
    name: 'espalier_heap_share',
    description: 'Used part of the heap that V8 may have, 0 to 1; the highest of the last minute',
    across: 'highest',
  },
  databaseWaitSeconds: {
    name: 'espalier_database_wait_seconds',
    description: 'The longest wait for a connection to the database in the last minute',
    across: 'highest',
  },
  residentBytes: { name: 'process_resident_memory_bytes', description: 'Resident memory', across: 'sum' },
  processorSeconds: {
    name: 'process_cpu_seconds_total',
    description: 'Processor time of all threads',
    kind: 'counter',
    across: 'sum',
  },
  startedAtSeconds: {
    name: 'process_start_time_seconds',
    description: 'Start, in seconds since 1970',
    across: 'highest',
  },
};
const processGaugeNames = Object.keys(processGauges) as (keyof ProcessRead)[];

/** `counters`: for a runtime that reads them. */
export function createMetrics(counters: Counters = createCounters()): Metrics {
  return {
    ...createRequestMetrics(counters),
    ...createWorkMetrics(counters),
    onProcess: (read) =>
      counters.onRead((observe) => {
        const found = read();
        for (const name of processGaugeNames) observe(processGauges[name], found[name]);
      }),
    laneMode: (way, reason) => counters.onRead((observe) => observe(laneGauge, 1, { way, reason })),
    onScrape: (fill, of) =>
      counters.onRead((observe) => {
        const to =
          (gauge: Gauge): Observe =>
          (value, labels) =>
            observe(gauge, value, labels);
        return fill({
          reports: to(gauges.reports),
          reportAgeSeconds: to(gauges.reportAgeSeconds),
          instanceUp: to(gauges.instanceUp),
          instanceInfo: to(gauges.instanceInfo),
          tenants: to(gauges.tenants),
          tenantsPermissionDrift: to(gauges.tenantsPermissionDrift),
          massChanges: to(gauges.massChanges),
          heartbeatAgeSeconds: to(gauges.heartbeatAgeSeconds),
          credentialExpirySeconds: to(gauges.credentialExpirySeconds),
          sealedSecrets: to(gauges.sealedSecrets),
          acmeExpirySeconds: to(gauges.acmeExpirySeconds),
          acmeNextTrySeconds: to(gauges.acmeNextTrySeconds),
          acmeFailedTries: to(gauges.acmeFailedTries),
          snapshotAgeSeconds: to(gauges.snapshotAgeSeconds),
          degraded: to(gauges.degraded),
        });
      }, of),
  };
}
