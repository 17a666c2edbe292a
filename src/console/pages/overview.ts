import { html } from 'hono/html';
import type { ConsolePage } from '../visit.ts';

/** What needs a person, and how all tenants are. */
export const overview: ConsolePage = {
  path: '/',
  menu: { label: 'Overview', key: 'o' },
  show: async () => ({ title: 'Overview', body: html`<p><a href="/tenants">Tenants</a></p>` }),
};
