/** The Grafana dashboard, made of a table of panels: a panel is a title, a unit and its queries. */

interface Query {
  readonly expr: string;
  readonly legend: string;
}

interface Panel {
  readonly title: string;
  /** One sentence for whoever sees it for the first time. */
  readonly about: string;
  /** Grafana's name of the unit. */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** A number in place of a curve. */
  readonly isStat?: boolean;
}

interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const query = (expr: string, legend = ''): Query => ({ expr, legend });
/** All processes of a database say the same of its rows. */
const ofDatabase = (metric: string, by: string): string => `max by (${by}) (${metric}{job=~"$job"})`;
const rateBy = (metric: string, by: string, more = ''): string =>
  `sum by (${by}) (rate(${metric}{job=~"$job"${more}}[$__rate_interval]))`;
const quantile = (share: number, histogram: string, by = '', more = ''): string =>
  `histogram_quantile(${share}, sum by (le${by && `, ${by}`}) (rate(${histogram}_bucket{job=~"$job"${more}}[$__rate_interval])))`;

const deviceCalls = ',listener="data",route=~"/t/:tenantId/devices.*"';

export const rows: readonly Row[] = [
  {
    title: 'Overview',
    panels: [
      {
        title: 'Reports that failed',
        about: 'Intune refused them for good; a person has to look.',
        unit: 'short',
        isStat: true,
        queries: [query('max(espalier_reports{job=~"$job",state="failed"}) or vector(0)')],
      },
      {
        title: 'Oldest report that waits',
        about: 'How long the oldest state that Intune should have has waited.',
        unit: 's',
        isStat: true,
        queries: [query('max(espalier_report_age_seconds{job=~"$job",stage="reports"})')],
      },
      {
        title: 'Tenants held',
        about: 'Nothing is delivered for them until the cause of the hold is removed.',
        unit: 'short',
        isStat: true,
        queries: [query('max(espalier_tenants{job=~"$job",state="held"})')],
      },
      {
        title: 'Instances that do not answer',
        about: 'Jamf Pro servers whose last exchange failed.',
        unit: 'short',
        isStat: true,
        queries: [
          query('count(max by (tenant, instance_id) (espalier_instance_up{job=~"$job"}) == 0) or vector(0)'),
        ],
      },
      {
        title: 'Device calls that failed in Espalier',
        about:
          'Share of the last hour, without what callers and instances did wrong. The service level is 0.1 %.',
        unit: 'percentunit',
        isStat: true,
        queries: [query('espalier:device_call_errors:ratio_rate1h or vector(0)')],
      },
      {
        title: 'Next credential that expires',
        about: 'Applications, certificates of listeners and of authorities.',
        unit: 's',
        isStat: true,
        queries: [query('min(espalier_credential_expiry_seconds{job=~"$job"})')],
      },
    ],
  },
  {
    title: 'Tenants and instances',
    panels: [
      {
        title: 'Tenants by state',
        about: 'Of the connection to Microsoft.',
        unit: 'short',
        queries: [query(ofDatabase('espalier_tenants', 'state'), '{{state}}')],
      },
      {
        title: 'Heartbeats',
        about: 'One for each connected tenant and hour, whichever process sends it.',
        unit: 'ops',
        queries: [query(rateBy('espalier_heartbeats_total', 'outcome'), '{{outcome}}')],
      },
      {
        title: 'Oldest heartbeat',
        about: 'Intune ends a connection that has had none for a long time.',
        unit: 's',
        queries: [query('max(espalier_heartbeat_age_seconds{job=~"$job"})', 'age')],
      },
      {
        title: 'Instances',
        about: '1: the last exchange succeeded.',
        unit: 'short',
        queries: [
          query(
            'max by (tenant, instance_id) (espalier_instance_up{job=~"$job"})',
            '{{tenant}} {{instance_id}}',
          ),
        ],
      },
    ],
  },
  {
    title: 'Delivery',
    panels: [
      {
        title: 'Reports by state',
        about: 'Of all devices.',
        unit: 'short',
        queries: [query(ofDatabase('espalier_reports', 'state'), '{{state}}')],
      },
      {
        title: 'Oldest work by stage',
        about: 'Computers wait to be read from Jamf Pro, reports wait to be told to Intune.',
        unit: 's',
        queries: [query(ofDatabase('espalier_report_age_seconds', 'stage'), '{{stage}}')],
      },
      {
        title: 'Messages to Intune',
        about: 'By what came of them.',
        unit: 'ops',
        queries: [query(rateBy('espalier_uploads_total', 'outcome'), '{{outcome}}')],
      },
      {
        title: 'Tokens',
        about: 'Requests to Entra, for Intune and Graph, and to instances.',
        unit: 'ops',
        queries: [
          query(rateBy('espalier_token_requests_total', 'service, outcome'), '{{service}} {{outcome}}'),
        ],
      },
      {
        title: 'Webhooks and pushes',
        about: 'By answer: 202 is committed.',
        unit: 'reqps',
        queries: [
          query(
            rateBy('espalier_requests_total', 'route, status', ',listener="data",route=~"/jamf/.*"'),
            '{{route}} {{status}}',
          ),
        ],
      },
      {
        title: "Graph's notifications",
        about: 'What became of them.',
        unit: 'ops',
        queries: [query(rateBy('espalier_notifications_total', 'outcome'), '{{outcome}}')],
      },
      {
        title: 'Alerts to targets',
        about: 'Messages to webhooks, Teams and Slack, by what became of them.',
        unit: 'ops',
        queries: [query(rateBy('espalier_alert_messages_total', 'outcome'), '{{outcome}}')],
      },
    ],
  },
  {
    title: 'Device calls',
    panels: [
      {
        title: 'Device calls',
        about: 'By answer.',
        unit: 'reqps',
        queries: [query(rateBy('espalier_requests_total', 'status', deviceCalls), '{{status}}')],
      },
      {
        title: 'Time to answer a device call',
        about: "With the instance's own time.",
        unit: 's',
        queries: [
          query(quantile(0.5, 'espalier_request_duration_seconds', '', deviceCalls), 'median'),
          query(quantile(0.99, 'espalier_request_duration_seconds', '', deviceCalls), '99th'),
        ],
      },
      {
        title: 'Time of instances',
        about: '99th percentile, by outcome.',
        unit: 's',
        queries: [query(quantile(0.99, 'espalier_forward_duration_seconds', 'outcome'), '{{outcome}}')],
      },
      {
        title: 'Look-ups in the routing table',
        about: 'A miss asks the database.',
        unit: 'ops',
        queries: [query(rateBy('espalier_route_lookups_total', 'result'), '{{result}}')],
      },
    ],
  },
  {
    title: 'Processes',
    panels: [
      {
        title: 'Processor',
        about: 'Cores in use.',
        unit: 'short',
        queries: [query('rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval])', '{{instance}}')],
      },
      {
        title: 'Memory',
        about: 'Resident.',
        unit: 'bytes',
        queries: [query('process_resident_memory_bytes{job=~"$job"}', '{{instance}}')],
      },
      {
        title: 'Heap',
        about: 'Part of what V8 may have; exports and lists are refused from 0.85 on.',
        unit: 'percentunit',
        queries: [query('espalier_heap_share{job=~"$job"}', '{{instance}}')],
      },
      {
        title: 'Event loop',
        about: 'How late it is; from 0.25 s on pushes, exports and lists are refused.',
        unit: 's',
        queries: [query('espalier_event_loop_delay_seconds{job=~"$job"}', '{{instance}}')],
      },
      {
        title: 'Wait for the database',
        about: 'The longest wait of a request for a connection.',
        unit: 's',
        queries: [query('espalier_database_wait_seconds{job=~"$job"}', '{{instance}}')],
      },
      {
        title: 'Pressure',
        about: 'What is refused for the load, from 0, nothing, to 5.',
        unit: 'short',
        queries: [query('espalier_pressure{job=~"$job"}', '{{instance}}')],
      },
      {
        title: 'Requests of operators',
        about: 'Admin API and console, by answer.',
        unit: 'reqps',
        queries: [query(rateBy('espalier_requests_total', 'status', ',listener="admin"'), '{{status}}')],
      },
      {
        title: 'Without the database',
        about: '1 while calls are answered from memory.',
        unit: 'short',
        queries: [query('espalier_degraded{job=~"$job"}', '{{instance}}')],
      },
    ],
  },
];

/** Grafana's grid has 24 columns. */
const gridColumns = 24;
const statsInRow = 6;
const curvesInRow = 2;
const height = { stat: 4, timeseries: 8, row: 1 };
const datasource = { type: 'prometheus', uid: '$datasource' };

function panelOf({ about, isStat, queries, title, unit }: Panel, id: number, gridPos: object): object {
  return {
    id,
    type: isStat ? 'stat' : 'timeseries',
    title,
    description: about,
    datasource,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: isStat
      ? { reduceOptions: { calcs: ['lastNotNull'] } }
      : { tooltip: { mode: 'multi', sort: 'desc' } },
    targets: queries.map(({ expr, legend }, at) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + at),
      datasource,
      expr,
      legendFormat: legend,
    })),
  };
}

function panels(): object[] {
  const made: object[] = [];
  let y = 0;
  for (const { panels: ofRow, title } of rows) {
    made.push({
      id: made.length + 1,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: gridColumns, h: height.row },
    });
    y += height.row;
    const isStats = ofRow.every(({ isStat }) => isStat);
    const [inRow, h] = isStats ? [statsInRow, height.stat] : [curvesInRow, height.timeseries];
    const w = gridColumns / inRow;
    for (const [at, panel] of ofRow.entries())
      made.push(
        panelOf(panel, made.length + 1, { x: (at % inRow) * w, y: y + Math.floor(at / inRow) * h, w, h }),
      );
    y += Math.ceil(ofRow.length / inRow) * h;
  }
  return made;
}

export const dashboard = (): object => ({
  uid: 'espalier',
  title: 'Espalier',
  tags: ['espalier'],
  schemaVersion: 39,
  version: 1,
  editable: true,
  refresh: '30s',
  time: { from: 'now-6h', to: 'now' },
  templating: {
    list: [
      { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' },
      {
        name: 'job',
        type: 'query',
        datasource,
        query: 'label_values(espalier_pressure, job)',
        refresh: 2,
        includeAll: true,
        multi: true,
        current: { text: 'All', value: '$__all' },
      },
    ],
  },
  panels: panels(),
});
