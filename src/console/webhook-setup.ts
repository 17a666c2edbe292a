import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import { recommendedEvents } from '../jamf/webhook-events.ts';
import type { Instance } from './instance.ts';
import { card, copyable, facts, table } from './parts.ts';

/** What to enter in Jamf Pro so that its webhooks arrive: by hand, or as documents for its Classic API. */

type Recommended = (typeof recommendedEvents)[number];

const nameOf = ({ event }: Recommended): string => `Espalier ${event}`;
/** Header authentication of Jamf Pro takes names and values as a JSON object. */
const headerOf = (key: string): string => JSON.stringify({ 'X-Api-Key': key });
/** Jamf Pro asks for a user, who is nobody here: the key is the password. */
const user = 'espalier';

const groupOf = ({ compliance }: Instance): Html =>
  compliance.source === 'smart-group'
    ? html` Choose the group <strong>${compliance.complianceGroup}</strong>.`
    : html` Choose the compliance group of the device compliance settings in Jamf Pro.`;

const events = (instance: Instance): Html =>
  table<Recommended>(
    'Webhooks to make',
    [
      { title: 'Display name', cell: (one) => copyable(nameOf(one)) },
      { title: 'Webhook event', cell: ({ event }) => copyable(event) },
      {
        title: 'What it tells',
        cell: ({ event, tells }) =>
          event === 'SmartGroupComputerMembershipChange' ? html`${tells}${groupOf(instance)}` : tells,
      },
    ],
    recommendedEvents,
    '',
  );

const inXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const documentOf = (one: Recommended, { webhookUrl }: Instance, key: string): string =>
  `<webhook>
  <name>${nameOf(one)}</name>
  <enabled>true</enabled>
  <url>${inXml(webhookUrl)}</url>
  <content_type>application/json</content_type>
  <event>${one.event}</event>
  <authentication_type>HEADER</authentication_type>
  <header>${inXml(headerOf(key))}</header>${
    one.event === 'SmartGroupComputerMembershipChange'
      ? '\n  <smart_group_id>NUMBER OF THE GROUP</smart_group_id>'
      : ''
  }
</webhook>`;

export const webhookSetup = (instance: Instance, key: string): readonly Html[] => [
  card('The key', html`<p>${copyable(key)}</p>`),
  card('The same in every webhook', [
    html`<p>In Jamf Pro open Settings, Global, Webhooks, and make a new one for each event below. What is not named here can stay as Jamf Pro offers it.</p>`,
    facts([
      ['Webhook URL', copyable(instance.webhookUrl)],
      ['Authentication type', 'Header Authentication'],
      ['Header', copyable(headerOf(key))],
      ['Content type', 'JSON'],
    ]),
    html`<p class="quiet">Where Jamf Pro has no header authentication, choose Basic Authentication with the user ${copyable(user)} and the key as the password. XML is understood as well.</p>`,
  ]),
  card('One for each event', events(instance)),
  html`<details class="card">
    <summary>As documents for the Classic API of Jamf Pro</summary>
    <p>Each is the body of <code>POST /JSSResource/webhooks/id/0</code> with the content type <code>text/xml</code>, by an account that may create webhooks.</p>
    ${recommendedEvents.map((one) => html`<h3>${one.event}</h3><div><pre tabindex="0" data-copy>${documentOf(one, instance, key)}</pre></div>`)}
  </details>`,
];
