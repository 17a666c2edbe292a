import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';

/** The steps from nothing to connected, and which of them the state of a tenant asks for. */

export type Step = 'tenant' | 'consents' | 'intune' | 'confirm';

const steps: readonly (readonly [step: Step, label: string])[] = [
  ['tenant', 'Tenant'],
  ['consents', 'Consents'],
  ['intune', 'Intune'],
  ['confirm', 'Confirm'],
];

/** Where whoever comes back goes on. A manual tenant has no consent of ours to wait for. */
export function stepOfState(connectionState: string, isManual: boolean): Exclude<Step, 'tenant'> {
  if (connectionState === 'connected' || connectionState === 'disabled') return 'confirm';
  if (connectionState === 'consented') return 'intune';
  return connectionState === 'consenting' && isManual ? 'intune' : 'consents';
}

/** `tenantId` undefined: there is no tenant yet, so no later step either. */
export const stepsOf = (shown: Step, tenantId: string | undefined): Html => html`<nav aria-label="Steps">
  <ol class="steps">${steps.map(([step, label]) => {
    if (step === shown) return html`<li aria-current="step">${label}</li>`;
    return tenantId === undefined || step === 'tenant'
      ? html`<li>${label}</li>`
      : html`<li><a href="${at`/tenants/${tenantId}/connect`}?step=${step}">${label}</a></li>`;
  })}</ol>
</nav>`;
