import { type Attributes, metrics } from '@opentelemetry/api';

/**
 * The metrics of contract section 10, on OpenTelemetry's API: the Node runtime exposes them to Prometheus and,
 * when OTEL_* is set, through OTLP. No label holds a device id.
 */

/** Gauges are looked at when somebody scrapes; each observation is a value with labels. */
export type Observe = (value: number, labels?: Attributes) => void;

export interface Metrics {
  request(labels: { listener: string; route: string; status: number }, seconds: number): void;
  forward(outcome: string, seconds: number): void;
  routeLookup(result: 'hit' | 'miss' | 'unknown'): void;
  upload(outcome: string): void;
  tokenRequest(service: string, outcome: string): void;
  heartbeat(outcome: string): void;
  notification(outcome: string, count?: number): void;
  /** Registers what fills the gauges; called at every scrape. */
  onScrape(
    fill: (observe: {
      reports: Observe;
      reportAgeSeconds: Observe;
      instanceUp: Observe;
      credentialExpirySeconds: Observe;
    }) => Promise<void>,
  ): void;
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(): Metrics {
  const meter = metrics.getMeter('espalier');
  const histogram = (name: string, description: string) =>
    meter.createHistogram(name, { description, advice: { explicitBucketBoundaries: secondsBuckets } });
  const requests = meter.createCounter('espalier_requests_total', { description: 'Requests answered' });
  const requestDuration = histogram('espalier_request_duration_seconds', 'Time to answer a request');
  const forwardDuration = histogram('espalier_forward_duration_seconds', 'Time of a forwarded device call');
  const lookups = meter.createCounter('espalier_route_lookups_total', {
    description: 'Look-ups in the routing table',
  });
  const uploads = meter.createCounter('espalier_uploads_total', { description: 'Messages sent to Intune' });
  const tokens = meter.createCounter('espalier_token_requests_total', { description: 'Token requests' });
  const heartbeats = meter.createCounter('espalier_heartbeats_total', {
    description: 'Heartbeats sent to Intune',
  });
  const notifications = meter.createCounter('espalier_notifications_total', {
    description: "Graph's change notifications",
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
  return {
    request: (labels, seconds) => {
      const attributes = { ...labels, status: String(labels.status) };
      requests.add(1, attributes);
      requestDuration.record(seconds, { listener: labels.listener, route: labels.route });
    },
    forward: (outcome, seconds) => forwardDuration.record(seconds, { outcome }),
    routeLookup: (result) => lookups.add(1, { result }),
    upload: (outcome) => uploads.add(1, { outcome }),
    tokenRequest: (service, outcome) => tokens.add(1, { service, outcome }),
    heartbeat: (outcome) => heartbeats.add(1, { outcome }),
    notification: (outcome, count = 1) => notifications.add(count, { outcome }),
    onScrape: (fill) => {
      meter.addBatchObservableCallback(
        (result) =>
          fill({
            reports: (value, labels) => result.observe(reports, value, labels),
            reportAgeSeconds: (value, labels) => result.observe(reportAge, value, labels),
            instanceUp: (value, labels) => result.observe(instanceUp, value, labels),
            credentialExpirySeconds: (value, labels) => result.observe(credentialExpiry, value, labels),
          }),
        [reports, reportAge, instanceUp, credentialExpiry],
      );
    },
  };
}
