import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import { badge, id, none } from './parts.ts';
import type { Step } from './tenant.ts';

/** Steps of a confirmation or of the test of an instance, each with its result; a failed one with who has to do what. */

const owners: Readonly<Record<string, string>> = {
  configuration: 'an administrator of the tenant',
  instance: 'the administrator of the Jamf Pro instance',
  microsoft: 'Microsoft',
  espalier: 'whoever runs this gateway',
};

export type StepNames = (name: string) => string;

const stepItem = ({ cause, detail, name, ok, owner, remedy }: Step, nameOf: StepNames): Html => {
  const isSkipped = cause === 'not-tried';
  const mark = ok ? badge('done', 'good') : isSkipped ? badge('not tried', 'quiet') : badge('failed', 'bad');
  return html`<li>${mark} <strong>${nameOf(name)}</strong>
    ${detail === undefined || isSkipped ? none : html`<p>${detail}</p>`}
    ${
      ok || isSkipped
        ? none
        : html`<p>${remedy}</p><p class="quiet">It is for ${owners[owner ?? ''] ?? owner}. Cause ${id(cause ?? '')}</p>`
    }</li>`;
};

/** `isAtWork`: more of them follow. */
export const stepList = (steps: readonly Step[], nameOf: StepNames, isAtWork = false): Html =>
  html`<ol class="outcome">${steps.map((step) => stepItem(step, nameOf))}${
    isAtWork ? html`<li>${badge('at work', 'warn')} <strong>Next step</strong></li>` : none
  }</ol>`;
