import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import { at } from './api.ts';
import { counted } from './parts.ts';
import type { ConnectionState, Tenant } from './tenant.ts';
import { tenantPath } from './tenant.ts';
import type { Person, Visit } from './visit.ts';

/** What can be done to a tenant's connection: in which words it is offered, and what it will do. The API decides. */

export type PlannedName = 'disable' | 'pause' | 'resume' | 'resync' | 'disconnect';
export type ActionName = PlannedName | keyof typeof inWizard;

export interface TenantAction {
  readonly label: string;
  readonly role: Person['role'];
  /** For the list of what can be done. */
  readonly summary: string;
  /** Takes people's access or Intune's records away. */
  readonly danger?: boolean;
}

export interface PlannedAction extends TenantAction {
  /** What it will do to this tenant, by the API's dry run where it has one. Rejects with `ApiRefusal`. */
  readonly plan: (visit: Visit, tenant: Tenant) => Promise<Html>;
}

const count = (value: number | undefined, noun: string): string => counted(value ?? 0, noun);

const dryRun = <T>(visit: Visit, action: ActionName, body?: unknown): Promise<T> =>
  visit.api.dryRun<T>(visit.person, `${tenantPath(visit)}/${action}`, body);

/** The connect wizard does these: it says what they do, and shows every step as it is done. */
const inWizard = {
  connect: {
    label: 'Connect again',
    role: 'admin',
    summary: 'Makes new links at which an administrator of the tenant consents. Older links end.',
    step: 'consents',
  },
  confirm: {
    label: 'Confirm',
    role: 'admin',
    summary: 'Provisions the tenant at Intune and tests every step. It is safe to repeat.',
    step: 'confirm',
  },
  enable: {
    label: 'Enable',
    role: 'admin',
    summary: 'Provisions the tenant at Intune again and goes on with what was kept.',
    step: 'confirm',
  },
} as const satisfies Readonly<Record<string, TenantAction & { readonly step: string }>>;

/** Each has a page of its own, which says what it will do and asks. */
export const planned: Readonly<Record<PlannedName, PlannedAction>> = {
  disable: {
    label: 'Disable',
    role: 'admin',
    danger: true,
    summary: 'Tells Intune that the connection ends, and keeps configuration, routes and reports here.',
    plan: async (visit) => {
      const { connectionState, devices } = await dryRun<{ connectionState: string; devices: number }>(
        visit,
        'disable',
      );
      return html`
        <p>Intune is told that this connection ends. The state becomes <strong>${connectionState}</strong>.</p>
        <p>Nothing more is told of ${count(devices, 'device')}. Intune marks devices of an ended connection as not reporting and later removes its records; people may then lose access.</p>
        <p>Configuration, routes and reports stay here. To come back, press Enable.</p>`;
    },
  },
  pause: {
    label: 'Pause',
    role: 'operator',
    summary: 'Holds delivery without telling Intune.',
    plan: async () => html`
      <p>Reports wait here until somebody resumes. Intune is not told, and shows what it was told last.</p>
      <p>Webhooks are taken as before, and calls from the Microsoft side go on. While it is paused no heartbeat is sent; a connection without heartbeats for long is ended by Intune.</p>`,
  },
  resume: {
    label: 'Resume',
    role: 'operator',
    summary: 'Goes on delivering.',
    plan: async (visit) => {
      const { reports } = await dryRun<{ reports: number }>(visit, 'resume');
      return html`<p>Delivery goes on. ${count(reports, 'held report')} will be tried again at once.</p>`;
    },
  },
  resync: {
    label: 'Resync',
    role: 'operator',
    summary: 'Tells Intune the state of every device again.',
    plan: async (visit) => {
      const { reports } = await dryRun<{ reports: number }>(visit, 'resync');
      return html`<p>${count(reports, 'report')} will be due again and told to Intune, 100 a second. What is new meanwhile goes first.</p>`;
    },
  },
  disconnect: {
    label: 'Disconnect',
    role: 'admin',
    danger: true,
    summary: 'Ends the connection, if you choose so after retracting every device.',
    plan: async (visit) => {
      const { devices } = await dryRun<{ devices: number }>(visit, 'disconnect', { retract: true });
      return html`
        <p>The connection to Intune ends. Nothing more is told of ${count(devices, 'device')}. To come back, the tenant has to be connected again with new consents.</p>
        <p>With retracting, Intune is first told of ${count(devices, 'device')} that each is not managed and not compliant: people who use them may lose access at once. Without, Intune keeps what it was told last until it removes the records itself.</p>
        <p>The administrator withdraws the consents in Entra himself.</p>`;
    },
  },
};

export const actions: Readonly<Record<ActionName, TenantAction>> = { ...inWizard, ...planned };

/** The page on which the action is done. */
export const actionAddress = (tenantId: string, name: ActionName): string =>
  Object.hasOwn(inWizard, name)
    ? at`/tenants/${tenantId}/connect?step=${inWizard[name as keyof typeof inWizard].step}`
    : at`/tenants/${tenantId}/actions/${name}`;

/** The actions that a state of the connection allows, the next step first. Pausing and settings are always offered. */
export const offered: Readonly<Record<ConnectionState, readonly ActionName[]>> = {
  new: ['connect', 'confirm'],
  consenting: ['connect', 'confirm', 'disconnect'],
  consented: ['confirm', 'connect', 'disable', 'disconnect'],
  connected: ['confirm', 'resync', 'connect', 'disable', 'disconnect'],
  disabled: ['enable', 'connect', 'disconnect'],
  disconnecting: ['disconnect'],
  disconnected: ['connect'],
  terminated: ['connect', 'confirm', 'disable', 'disconnect'],
};

interface StateWords {
  readonly means: string;
  /** What to do; a connection that works needs nothing. */
  readonly next?: string;
}

export const stateWords: Readonly<Record<ConnectionState, StateWords>> = {
  new: {
    means: 'Nobody has been asked to consent yet, so nothing is told to Intune.',
    next: 'Connect, and send the links to an administrator of the tenant.',
  },
  consenting: {
    means: 'An administrator of the tenant has been asked to consent, and has not given both consents yet.',
    next: 'Ask the administrator. The links end after an hour; connect again to make new ones.',
  },
  consented: {
    means: 'The consents are given. Intune has not been told of this connection.',
    next: 'Confirm, to provision the tenant at Intune.',
  },
  connected: { means: 'Intune takes reports of this tenant.' },
  disabled: {
    means: 'Somebody switched this connection off. Intune was told that it ended; everything is kept here.',
    next: 'Enable, to provision the tenant again.',
  },
  disconnecting: {
    means: 'The connection is about to end, as soon as Intune has been told of every device.',
    next: 'Wait. Disconnect without retracting ends it at once.',
  },
  disconnected: {
    means: 'The connection has ended, and nothing is told to Intune.',
    next: 'Connect again with new consents, or leave it.',
  },
  terminated: {
    means: 'Intune has ended this connection. Devices go on reporting if it begins again within 24 hours.',
    next: 'Look at the consents in Entra, then connect again and confirm.',
  },
};
