import { describe, expect, test } from 'vitest';
import { createCounters } from '../telemetry/counters.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { startTelemetry } from './node-telemetry.ts';

describe('what is scraped', () => {
  test('holds what requests counted, in the labels and buckets of the contract', async () => {
    const counters = createCounters();
    const telemetry = await startTelemetry({}, counters);
    const metrics = createMetrics(counters);
    metrics.request({ listener: 'data', route: '/a/:id', status: 200 }, 0.0005);
    metrics.request({ listener: 'data', route: '/a/:id', status: 200 }, 0.001);
    metrics.request({ listener: 'data', route: '/a/:id', status: 404 }, 99);
    metrics.request({ listener: 'admin', route: '/a/:id', status: 200 }, 0.002);
    metrics.forward('200', 0.02);
    metrics.routeLookup('hit');
    metrics.routeLookup('hit');
    metrics.routeLookup('miss');
    metrics.upload('accepted');
    metrics.tokenRequest('jamf', 'ok');
    metrics.notification('taken', 3);
    metrics.onProcess(() => ({
      pressure: 2,
      eventLoopDelaySeconds: 0.04,
      heapShare: 0.5,
      databaseWaitSeconds: 1.5,
      residentBytes: 1_000,
      processorSeconds: 3.5,
      startedAtSeconds: 1_700_000_000,
    }));
    metrics.onScrape(async ({ reports }) => {
      reports(4, { state: 'due' });
    });
    metrics.onScrape(async () => {
      throw new Error('it cannot be observed now');
    });
    const lines = (await telemetry.scrape()).split('\n');
    for (const line of [
      '# TYPE espalier_requests_total counter',
      'espalier_requests_total{listener="data",route="/a/:id",status="200"} 2',
      'espalier_requests_total{listener="data",route="/a/:id",status="404"} 1',
      'espalier_requests_total{listener="admin",route="/a/:id",status="200"} 1',
      '# TYPE espalier_request_duration_seconds histogram',
      'espalier_request_duration_seconds_bucket{listener="data",route="/a/:id",le="0.001"} 2',
      'espalier_request_duration_seconds_bucket{listener="data",route="/a/:id",le="10"} 2',
      'espalier_request_duration_seconds_bucket{listener="data",route="/a/:id",le="+Inf"} 3',
      'espalier_request_duration_seconds_count{listener="data",route="/a/:id"} 3',
      'espalier_forward_duration_seconds_bucket{outcome="200",le="0.025"} 1',
      'espalier_route_lookups_total{result="hit"} 2',
      'espalier_route_lookups_total{result="miss"} 1',
      'espalier_uploads_total{outcome="accepted"} 1',
      'espalier_token_requests_total{service="jamf",outcome="ok"} 1',
      'espalier_notifications_total{outcome="taken"} 3',
      '# TYPE espalier_pressure gauge',
      'espalier_pressure 2',
      'espalier_event_loop_delay_seconds 0.04',
      'espalier_heap_share 0.5',
      'espalier_database_wait_seconds 1.5',
      '# TYPE process_resident_memory_bytes gauge',
      '# TYPE process_cpu_seconds_total counter',
      'process_cpu_seconds_total 3.5',
      'process_start_time_seconds 1700000000',
      'espalier_reports{state="due"} 4',
    ]) {
      expect(lines).toContain(line);
    }
    await telemetry.shutdown();
  });
});
