import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { id, none, state, table, time } from '../parts.ts';
import type { Names, TimelineEvent } from './device-answers.ts';

/** The way of a device's state to Intune: its last run as a picture with the times between, and all that is kept. */

const order = ['received', 'fetched', 'routed', 'held', 'sent', 'accepted', 'completed', 'verified'];
const rankOf = (stage: string): number => {
  const place = stage === 'refused' ? 'sent' : stage === 'failed' ? 'completed' : stage;
  return order.indexOf(place);
};

/** Of events newest first, those since the last time that the way began anew; oldest first. */
export function lastRun(events: readonly TimelineEvent[]): readonly TimelineEvent[] {
  const [newest] = events;
  if (newest === undefined) return [];
  const run = [newest];
  let rank = rankOf(newest.stage);
  for (const event of events.slice(1)) {
    if (rankOf(event.stage) > rank || run.length >= order.length + 4) break;
    rank = rankOf(event.stage);
    run.unshift(event);
  }
  return run;
}

/** A duration as a person says it. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1_000;
  if (seconds < 0.1) return 'under 0.1 s';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

const toneOf = (stage: string): string =>
  ['failed', 'refused'].includes(stage) ? 'bad' : stage === 'held' ? 'warn' : 'good';

const step = (
  event: TimelineEvent,
  before: TimelineEvent | undefined,
): Html => html`<li class="${toneOf(event.stage)}">
  ${before === undefined ? none : html`<span class="gap"><span class="unseen">after </span>${duration(Date.parse(event.at) - Date.parse(before.at))}</span>`}
  <strong>${event.stage}</strong>
  ${time(event.at)}
</li>`;

export function timelinePicture(events: readonly TimelineEvent[]): Html {
  const run = lastRun(events);
  if (run.length < 2) return none;
  const first = run[0];
  const last = run.at(-1);
  const whole = first && last ? duration(Date.parse(last.at) - Date.parse(first.at)) : '';
  return html`<p>The last time it took ${whole} from ${first?.stage} to ${last?.stage}.</p>
    <ol class="stages" aria-label="The last run, with the times between its stages">${run.map((event, index) => step(event, run[index - 1]))}</ol>`;
}

export const timelineTable = (events: readonly TimelineEvent[], names: Names): Html =>
  table<TimelineEvent>(
    'Timeline, newest first',
    [
      { title: 'When', cell: ({ at }) => time(at) },
      { title: 'Stage', cell: ({ stage }) => state(stage) },
      { title: 'Instance', cell: ({ instanceId }) => (instanceId === undefined ? '' : names.of(instanceId)) },
      { title: 'Detail', cell: ({ detail }) => (detail === undefined ? '' : names.inText(detail)) },
      { title: 'Message', cell: ({ messageId }) => (messageId === undefined ? '' : id(messageId)) },
    ],
    events,
    'Nothing has happened yet. The first line appears when the computer is read.',
  );
