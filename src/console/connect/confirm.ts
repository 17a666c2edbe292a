import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { card, counted, none, reasonField, state, time, writeForm } from '../parts.ts';
import { type StepNames, stepList } from '../steps.ts';
import type { Step } from '../tenant.ts';
import type { Form, GoOn, Visit } from '../visit.ts';
import { consoleAddress, type Tenant } from './parts.ts';

/** The last step of a connection: what confirming does, every step of it as it is done, and what came of it. */

interface Confirmation {
  readonly state: 'none' | 'running' | 'ended' | 'interrupted';
  readonly ok: boolean | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly steps: readonly Step[];
}

/** A dry run of it: whether the state of the connection allows it, and the held reports that would be tried again. */
interface Rehearsal {
  readonly ok: boolean;
  readonly reports?: number;
}

const names: Readonly<Record<string, string>> = {
  connection: 'State of the connection',
  token: 'Tokens from Microsoft Entra',
  permissions: 'Permissions in the tokens',
  discovery: 'Address of Intune',
  provisioning: 'Registration as partner in Intune',
  policy: 'Compliance policy',
  assignment: 'Group of the policy',
  heartbeat: 'First heartbeat',
};

const nameOf: StepNames = (name) =>
  names[name] ??
  (name.startsWith('instance:') ? `Jamf Pro instance ${name.slice('instance:'.length)}` : name);

export const readConfirmation = ({ api }: Visit, { tenantId }: Tenant): Promise<Confirmation> =>
  api.get<Confirmation>(at`/tenants/${tenantId}/confirmation`);

const confirmAddress = (tenant: Pick<Tenant, 'tenantId'>): string => `${consoleAddress(tenant)}?step=confirm`;

const verbOf = ({ connectionState }: Tenant): 'confirm' | 'enable' =>
  connectionState === 'disabled' ? 'enable' : 'confirm';

const isDone = ({ connectionState }: Tenant, { ok }: Confirmation): boolean =>
  ok === true && connectionState === 'connected';

/** What came of it, judged by what the connection is now: it may have ended since. */
function outcome({ connectionState }: Tenant, { endedAt, ok }: Confirmation): Html {
  const when = html`<span class="quiet">${ok === true ? 'Confirmed' : 'Tried'} ${time(endedAt)}.</span>`;
  const isConnected = connectionState === 'connected';
  if (ok === true)
    return isConnected
      ? html`<p class="notice">Every step is done. The tenant is connected. ${when}</p>`
      : html`<p>When it was confirmed last, every step was done. ${when}</p>`;
  return html`<p class="problem">${
    isConnected ? 'The tenant is connected, and not every step is done.' : 'The tenant is not connected yet.'
  } Each step below says what helps and who has to act. Confirm again after that. ${when}</p>`;
}

function confirmForm(
  { person }: Visit,
  tenant: Tenant,
  { reports }: Rehearsal,
  { className, label }: { readonly className: string; readonly label: string },
): Html {
  const enabling = verbOf(tenant) === 'enable';
  return card(enabling ? 'What enabling does' : 'What confirming does', [
    html`<p>It asks Microsoft for tokens and looks at their permissions, finds the tenant’s Intune, registers this gateway there, makes
      the compliance policy, and tests every Jamf Pro instance of the tenant. ${
        (reports ?? 0) > 0 ? `${counted(reports ?? 0, 'held report')} will be tried again at once. ` : ''
      }It is safe to repeat, and takes up to a minute.</p>`,
    writeForm(person, {
      action: `${consoleAddress(tenant)}/confirm`,
      className: 'fields',
      content: html`<input type="hidden" name="verb" value="${verbOf(tenant)}" />
        <input type="hidden" name="live" value="no" data-scripted="yes" />
        ${reasonField()}<p><button class="${className}">${label}</button></p>`,
    }),
  ]);
}

const onlyAdmin = html`<p class="quiet">Going on takes the role admin.</p>`;

/** The form, or why there is none. */
async function nextStep(visit: Visit, tenant: Tenant, found: Confirmation): Promise<Html> {
  if (!visit.may('admin')) return onlyAdmin;
  const verb = verbOf(tenant);
  const plan = await visit.api.dryRun<Rehearsal>(visit.person, at`/tenants/${tenant.tenantId}/${verb}`);
  if (!plan.ok)
    return html`<p>A connection in this state has to be begun anew: <a href="${consoleAddress(tenant)}?step=consents">ask for the consents</a>.</p>`;
  const again = found.state !== 'none' || tenant.connectionState === 'connected';
  const label = verb === 'enable' ? 'Enable' : again ? 'Confirm again' : 'Confirm';
  return confirmForm(visit, tenant, plan, { className: isDone(tenant, found) ? 'again' : 'main', label });
}

function standing(tenant: Tenant, found: Confirmation): Html {
  if (found.state === 'running')
    return html`<p class="notice">Confirming since ${time(found.startedAt)}. You may leave this page: it goes on, and is shown here when
      you come back.<noscript> Load the page again to see what is done by now.</noscript></p>`;
  if (found.state === 'interrupted')
    return html`<p class="problem">The gateway was stopped before every step was done. Nothing is lost: confirm again.</p>`;
  return found.state === 'ended' ? outcome(tenant, found) : none;
}

/** Brings itself up to date while it is at work; without scripts a reload does. */
export async function confirmStep(visit: Visit, tenant: Tenant): Promise<Html[]> {
  const found = await readConfirmation(visit, tenant);
  const isRunning = found.state === 'running';
  const live = isRunning
    ? html` hx-get="${confirmAddress(tenant)}" hx-select="#confirmation" hx-trigger="every 1s" hx-swap="outerHTML"`
    : none;
  return [
    html`<div aria-live="polite"><div id="confirmation"${live}>
      <p>The connection is ${state(tenant.connectionState)}.</p>
      ${standing(tenant, found)}
      ${found.steps.length === 0 && !isRunning ? none : stepList(found.steps, nameOf, isRunning)}
      ${
        found.state === 'ended'
          ? html`<p class="actions"><a class="button${isDone(tenant, found) ? ' main' : ''}" href="${at`/tenants/${tenant.tenantId}`}">To the tenant</a></p>`
          : none
      }
      ${isRunning ? none : await nextStep(visit, tenant, found)}
    </div></div>`,
  ];
}

/** Where scripts run the page shows the steps as they are done; otherwise it comes when all of them are. */
export async function confirm(visit: Visit, form: Form): Promise<GoOn> {
  const tenantId = visit.param('tenantId');
  const path = at`/tenants/${tenantId}/${form.get('verb') === 'enable' ? 'enable' : 'confirm'}`;
  const reason = form.get('reason') ?? '';
  if (form.get('live') === 'yes') await visit.api.begin(path, { reason });
  else await visit.api.write('POST', path, { reason });
  return { goTo: confirmAddress({ tenantId }) };
}
