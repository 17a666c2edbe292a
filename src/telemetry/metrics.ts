/**
 * The metrics of contract section 10, on OpenTelemetry's API: the Node runtime exposes them to Prometheus and,
 * when OTEL_* is set, through OTLP. No label holds a device id.
 */

import { type Attributes, metrics } from '@opentelemetry/api';
import { type Counters, createCounters, record, type Series } from './counters.ts';

/** An element of a webhook, a member of a computer's record, or a whole record of a push. */
export type IgnoredInput = 'webhook-element' | 'record-member' | 'record';

/** Gauges are looked at when somebody scrapes; each observation is a value with labels. */
export type Observe = (value: number, labels?: Attributes) => void;

export interface Metrics {
  request(labels: { listener: string; route: string; status: number }, seconds: number): void;
  /** `request` for one listener and route, whose series are looked up once. */
  requestsOf(listener: string, route: string): (status: number, seconds: number) => void;
  forward(outcome: string, seconds: number): void;
  routeLookup(result: 'hit' | 'miss' | 'unknown'): void;
  upload(outcome: string): void;
  tokenRequest(service: string, outcome: string): void;
  heartbeat(outcome: string): void;
  notification(outcome: string, count?: number): void;
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
  /** Registers how the level of pressure is read; called at every scrape. */
  onPressure(read: () => number): void;
  /** Registers what fills the gauges; called at every scrape. */
  onScrape(
    fill: (observe: {
      reports: Observe;
      reportAgeSeconds: Observe;
      instanceUp: Observe;
      credentialExpirySeconds: Observe;
      sealedSecrets: Observe;
      acmeExpirySeconds: Observe;
      acmeNextTrySeconds: Observe;
      acmeFailedTries: Observe;
      snapshotAgeSeconds: Observe;
      degraded: Observe;
    }) => Promise<void>,
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

/** Counters that every request raises are plain numbers; the rest are instruments of OpenTelemetry. */
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

/** `counters`: for a runtime that reads them. */
export function createMetrics(counters: Counters = createCounters()): Metrics {
  const meter = metrics.getMeter('espalier');
  const uploads = meter.createCounter('espalier_uploads_total', { description: 'Messages sent to Intune' });
  const tokens = meter.createCounter('espalier_token_requests_total', { description: 'Token requests' });
  const heartbeats = meter.createCounter('espalier_heartbeats_total', {
    description: 'Heartbeats sent to Intune',
  });
  const notifications = meter.createCounter('espalier_notifications_total', {
    description: "Graph's change notifications",
  });
  const ignored = meter.createCounter('espalier_input_ignored_total', {
    description: 'What instances sent that could not be used, beside what was',
  });
  const proxyProtocol = meter.createCounter('espalier_proxy_protocol_refused_total', {
    description: 'Connections closed for their PROXY header',
  });
  const clientCertificates = meter.createCounter('espalier_client_certificate_refused_total', {
    description: 'Client certificates in a header of a trusted proxy that were not taken',
  });
  const reports = meter.createObservableGauge('espalier_reports', { description: 'Reports by state' });
  const reportAge = meter.createObservableGauge('espalier_report_age_seconds', {
    description: 'Age of the oldest work not yet done, by stage',
  });
  const instanceUp = meter.createObservableGauge('espalier_instance_up', {
    description: '1 when the last exchange with the instance succeeded',
  });
  const credentialExpiry = meter.createObservableGauge('espalier_credential_expiry_seconds', {
    description: 'Time until a credential of our applications expires',
  });
  const sealedSecrets = meter.createObservableGauge('espalier_sealed_secrets', {
    description:
      'Kept secrets by the key that sealed them: the first, an older one, or one that is not configured',
  });
  const acmeExpiry = meter.createObservableGauge('espalier_acme_certificate_expiry_seconds', {
    description: 'Time until a certificate that came by ACME expires',
  });
  const acmeNextTry = meter.createObservableGauge('espalier_acme_next_try_seconds', {
    description: 'Time until a certificate by ACME is renewed, or tried again',
  });
  const acmeFailedTries = meter.createObservableGauge('espalier_acme_failed_tries', {
    description: 'Failed tries to renew a certificate by ACME since the last one was issued',
  });
  const snapshotAge = meter.createObservableGauge('espalier_snapshot_age_seconds', {
    description: 'Time since what the snapshot in the data directory holds was last known to be current',
  });
  const degraded = meter.createObservableGauge('espalier_degraded', {
    description: '1 while calls are answered from memory because the database is away',
  });
  const laneMode = meter.createObservableGauge('espalier_fast_lane', {
    description:
      '1 for the way that device calls take: past the streams of Node, through them, or no fast lane',
  });
  const pressure = meter.createObservableGauge('espalier_pressure', {
    description: 'What is refused for the load, from 0, nothing, to 5',
  });
  return {
    ...createRequestMetrics(counters),
    onPressure: (read) => pressure.addCallback((result) => result.observe(read())),
    laneMode: (mode, reason) => laneMode.addCallback((result) => result.observe(1, { way: mode, reason })),
    upload: (outcome) => uploads.add(1, { outcome }),
    tokenRequest: (service, outcome) => tokens.add(1, { service, outcome }),
    heartbeat: (outcome) => heartbeats.add(1, { outcome }),
    notification: (outcome, count = 1) => notifications.add(count, { outcome }),
    inputIgnored: (kind, count) => ignored.add(count, { kind }),
    clientCertificateRefused: (reason) => clientCertificates.add(1, { reason }),
    proxyProtocolRefused: (listener, reason) => proxyProtocol.add(1, { listener, reason }),
    onScrape: (fill) => {
      meter.addBatchObservableCallback(
        (result) =>
          fill({
            reports: (value, labels) => result.observe(reports, value, labels),
            reportAgeSeconds: (value, labels) => result.observe(reportAge, value, labels),
            instanceUp: (value, labels) => result.observe(instanceUp, value, labels),
            credentialExpirySeconds: (value, labels) => result.observe(credentialExpiry, value, labels),
            sealedSecrets: (value, labels) => result.observe(sealedSecrets, value, labels),
            acmeExpirySeconds: (value, labels) => result.observe(acmeExpiry, value, labels),
            acmeNextTrySeconds: (value, labels) => result.observe(acmeNextTry, value, labels),
            acmeFailedTries: (value, labels) => result.observe(acmeFailedTries, value, labels),
            snapshotAgeSeconds: (value, labels) => result.observe(snapshotAge, value, labels),
            degraded: (value, labels) => result.observe(degraded, value, labels),
          }),
        [reports, reportAge, instanceUp, credentialExpiry, sealedSecrets, snapshotAge, degraded].concat([
          acmeExpiry,
          acmeNextTry,
          acmeFailedTries,
        ]),
      );
    },
  };
}
