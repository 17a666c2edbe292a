import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import { type Column, chips, none, table, time } from './parts.ts';

/** What was delivered for a tenant over an hour, a day, a week: charts of a table, which stays for who reads it. */

interface Numbers {
  readonly received: number;
  readonly accepted: number;
  readonly completed: number;
  readonly failed: number;
  readonly delaySeconds: { readonly median: number | null; readonly p99: number | null };
}

export interface Delivery {
  readonly total: Numbers;
  readonly results: readonly (Numbers & { readonly at: string })[];
}

export const ranges = {
  hour: { label: 'Hour', step: 'five-minutes', hours: 1 },
  day: { label: 'Day', step: 'hour', hours: 24 },
  week: { label: 'Week', step: 'hour', hours: 168 },
} as const;

export type Range = keyof typeof ranges;

/** Of the address; a day unless it says another one. */
export const rangeOf = (query: URLSearchParams): Range =>
  (Object.keys(ranges) as Range[]).find((range) => range === query.get('range')) ?? 'day';

/** What pages with charts load. */
export const chartFiles = ['uplot.css', 'uplot.js', 'chart.js'] as const;

const whole = (value: number): string => value.toLocaleString('en');
const seconds = (value: number | null): string =>
  value === null ? '' : String(Number(value.toPrecision(3)));

type Row = Delivery['results'][number];

const columns: readonly Column<Row>[] = [
  { title: 'From', cell: ({ at }) => time(at) },
  { title: 'Received', cell: ({ received }) => whole(received), numeric: true },
  { title: 'Accepted', cell: ({ accepted }) => whole(accepted), numeric: true },
  { title: 'Completed', cell: ({ completed }) => whole(completed), numeric: true },
  { title: 'Failed', cell: ({ failed }) => whole(failed), numeric: true },
  { title: 'Median, s', cell: ({ delaySeconds }) => seconds(delaySeconds.median), numeric: true },
  { title: '99th, s', cell: ({ delaySeconds }) => seconds(delaySeconds.p99), numeric: true },
];

/** Two digits that count: the delays are known to a fifth. */
const rounded = (value: number | null): string =>
  value === null ? '' : Number(value.toPrecision(2)).toLocaleString('en');

const inWords = ({ accepted, completed, delaySeconds, failed, received }: Numbers): Html => html`<p>
  ${whole(received)} received, ${whole(accepted)} accepted, ${whole(completed)} completed, ${whole(failed)} failed.
  ${
    delaySeconds.median === null
      ? none
      : html`Half were accepted within ${rounded(delaySeconds.median)} s of being new, 99 of 100 within ${rounded(delaySeconds.p99)} s.`
  }
</p>`;

export const deliveryOverTime = ({ results, total }: Delivery, range: Range): Html => html`<section
    class="card" id="delivery" data-charts>
  <h2>Delivery over time</h2>
  ${chips(
    'Time',
    (Object.keys(ranges) as Range[]).map((name) => ({
      label: ranges[name].label,
      href: `?range=${name}#delivery`,
      current: name === range,
    })),
  )}
  ${inWords(total)}
  <div class="grid charts">
    <figure data-columns="1 2 3 4" hidden><figcaption>Reports</figcaption></figure>
    <figure data-columns="5 6" hidden><figcaption>Seconds from new to accepted by Intune</figcaption></figure>
  </div>
  <details><summary>The numbers as a table</summary>${table<Row>('Delivery over time', columns, results, '')}</details>
</section>`;
