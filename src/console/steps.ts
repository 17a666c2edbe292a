import type { Html } from '../gateway/page-layout.ts';
import { badge, table } from './parts.ts';

/** A step of a test or of confirm, with what to do where it failed. */
export interface Step {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
  readonly cause?: string;
  readonly remedy?: string;
  readonly owner?: string;
}

export const stepsTable = (steps: readonly Step[]): Html =>
  table<Step>(
    'Steps',
    [
      { title: 'Step', cell: ({ name }) => name },
      { title: 'Result', cell: ({ ok }) => (ok ? badge('ok', 'good') : badge('failed', 'bad')) },
      { title: 'What was found', cell: ({ cause, detail }) => detail ?? cause ?? '' },
      { title: 'What to do', cell: ({ remedy }) => remedy ?? '' },
    ],
    steps,
    'No step was taken.',
  );
