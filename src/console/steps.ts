import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import { badge, none, ownerWords, table } from './parts.ts';
import type { Step } from './tenant.ts';

/** Each step with what it found; a failed one with who has to do what. */
export const stepTable = (steps: readonly Step[]): Html =>
  table<Step>(
    'Steps',
    [
      { title: 'Step', cell: ({ name }) => html`<code>${name}</code>` },
      { title: 'Result', cell: ({ ok }) => (ok ? badge('done', 'good') : badge('failed', 'bad')) },
      {
        title: 'What was found',
        cell: ({ cause, detail }) =>
          html`${cause === undefined ? none : html`<code>${cause}</code> `}${detail ?? ''}`,
      },
      {
        title: 'What to do',
        cell: ({ ok, owner, remedy }) =>
          ok || remedy === undefined
            ? ''
            : html`${remedy}${owner === undefined ? none : html`<br /><span class="quiet">It is for ${ownerWords(owner)}.</span>`}`,
      },
    ],
    steps,
    'No step was taken.',
  );
