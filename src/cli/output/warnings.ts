/** Shows warnings about settings that the admin API accepted although they do not work yet: a reference to a secret that is not there, for instance. */

import { isRow } from './fields.ts';
import type { Output } from './output.ts';

export interface Warning {
  /** Field as the request names it. */
  readonly field: string;
  readonly description: string;
}

export function warningsOf(answer: unknown): Warning[] {
  if (!isRow(answer) || !Array.isArray(answer.warnings)) return [];
  return answer.warnings
    .filter(isRow)
    .flatMap(({ description, field }) =>
      typeof description === 'string' && typeof field === 'string' ? [{ field, description }] : [],
    );
}

export function sayWarnings(output: Output, answer: unknown): void {
  for (const { description, field } of warningsOf(answer))
    output.say(`warning: ${field}: ${description}; it is accepted and does not work yet`);
}
