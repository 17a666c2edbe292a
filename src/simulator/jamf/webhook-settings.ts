import { XMLBuilder, XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { type WebhookEvent, webhookEvents } from './webhook-events.ts';

export type WebhookAuthentication =
  | { readonly type: 'NONE' }
  | { readonly type: 'BASIC'; readonly username: string; readonly password: string }
  | { readonly type: 'HEADER'; readonly headers: Readonly<Record<string, string>> };

export interface WebhookSettings {
  readonly name: string;
  readonly enabled: boolean;
  readonly url: string;
  readonly contentType: 'application/json' | 'text/xml';
  readonly event: WebhookEvent;
  /** 1 to 15 */
  readonly connectionTimeoutSeconds: number;
  /** 1 to 15 */
  readonly readTimeoutSeconds: number;
  readonly authentication: WebhookAuthentication;
  /** Group that a group event is about; 0 is none. */
  readonly smartGroupId: number;
}

export interface Webhook extends WebhookSettings {
  readonly id: number;
}

export type ReadSettings =
  | { readonly kind: 'settings'; readonly settings: WebhookSettings }
  | { readonly kind: 'wrong'; readonly reason: string };

const headerObject = z.record(z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/), z.string());
const webhookElement = z.object({
  webhook: z.record(z.string(), z.union([z.string(), z.record(z.string(), z.unknown())])),
});

const parser = new XMLParser({ parseTagValue: false, ignoreAttributes: true, trimValues: true });
const builder = new XMLBuilder({ format: false });

const declaration = '<?xml version="1.0" encoding="UTF-8"?>';

/** Classic XML of one value. */
export const toXml = (value: Readonly<Record<string, unknown>>): string =>
  `${declaration}${builder.build(value)}`;

function readHeaders(text: string): Readonly<Record<string, string>> | undefined {
  try {
    const read = headerObject.safeParse(JSON.parse(text));
    return read.success ? read.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A timeout of the XML in seconds, 1 to 15 (domain/jamf.md 3.1). */
function readTimeout(text: string | undefined, kept: number): number | undefined {
  if (text === undefined) return kept;
  const seconds = /^\d+$/.test(text) ? Number(text) : 0;
  return seconds >= 1 && seconds <= 15 ? seconds : undefined;
}

function readUrl(text: string): string | undefined {
  const url = URL.parse(text);
  return url && (url.protocol === 'https:' || url.protocol === 'http:') ? text : undefined;
}

type Elements = (name: string) => string | undefined;

function readAuthentication(
  element: Elements,
  kept: WebhookAuthentication,
): WebhookAuthentication | { readonly wrong: string } {
  const type = element('authentication_type')?.toUpperCase() ?? kept.type;
  if (type === 'BASIC') {
    const before = kept.type === 'BASIC' ? kept : undefined;
    const username = element('username') ?? before?.username;
    const password = element('password') ?? before?.password;
    if (!username || !password) return { wrong: 'BASIC needs username and password' };
    return { type: 'BASIC', username, password };
  }
  if (type === 'HEADER') {
    const text = element('header');
    if (text === undefined && kept.type === 'HEADER') return kept;
    const headers = text === undefined ? undefined : readHeaders(text);
    return headers ? { type: 'HEADER', headers } : { wrong: 'header must be a JSON object of strings' };
  }
  // Unknown values silently become the default (domain/jamf.md 3.1).
  return { type: 'NONE' };
}

/** Elements of `<webhook>` that hold text; undefined when the body is no such document. */
function readElements(xml: string): Elements | undefined {
  // No document of this API declares a type, and one that does can carry entity bombs.
  if (/<!doctype/i.test(xml)) return undefined;
  try {
    const read = webhookElement.safeParse(parser.parse(xml, true));
    if (!read.success) return undefined;
    const { webhook } = read.data;
    return (name) => {
      const value = webhook[name];
      return typeof value === 'string' ? value : undefined;
    };
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

const defaults: WebhookSettings = {
  name: '',
  enabled: true,
  url: '',
  contentType: 'text/xml',
  event: 'ComputerAdded',
  connectionTimeoutSeconds: 5,
  readTimeoutSeconds: 2,
  authentication: { type: 'NONE' },
  smartGroupId: 0,
};

/** Reads the Classic XML of a webhook over what it was before (domain/jamf.md 3.1). */
export function readSettings(xml: string, before: WebhookSettings = defaults): ReadSettings {
  const wrong = (reason: string): ReadSettings => ({ kind: 'wrong', reason });
  const element = readElements(xml);
  if (!element) return wrong('the body is not a webhook in XML');
  const name = element('name') ?? before.name;
  if (name === '') return wrong('name is missing');
  const url = readUrl(element('url') ?? before.url);
  if (url === undefined) return wrong('url is not an http or https address');
  const connectionTimeoutSeconds = readTimeout(
    element('connection_timeout'),
    before.connectionTimeoutSeconds,
  );
  if (connectionTimeoutSeconds === undefined) return wrong('connection_timeout must be 1 to 15 seconds');
  const readTimeoutSeconds = readTimeout(element('read_timeout'), before.readTimeoutSeconds);
  if (readTimeoutSeconds === undefined) return wrong('read_timeout must be 1 to 15 seconds');
  const authentication = readAuthentication(element, before.authentication);
  if ('wrong' in authentication) return wrong(authentication.wrong);
  const askedEvent = (element('event') ?? before.event).toLowerCase();
  const event = webhookEvents.find((candidate) => candidate.toLowerCase() === askedEvent) ?? defaults.event;
  const smartGroupId = Number(element('smart_group_id') ?? before.smartGroupId) || 0;
  const enabled = (element('enabled') ?? String(before.enabled)) === 'true';
  const settings: WebhookSettings = {
    name,
    url,
    connectionTimeoutSeconds,
    readTimeoutSeconds,
    authentication,
    event,
    smartGroupId,
    // A group webhook stays disabled until a group is chosen.
    enabled: enabled && (!event.startsWith('SmartGroup') || smartGroupId > 0),
    contentType:
      (element('content_type') ?? before.contentType) === 'application/json'
        ? 'application/json'
        : 'text/xml',
  };
  return { kind: 'settings', settings };
}

/** A webhook as the Classic API shows it; its secrets are not shown. */
export const showWebhook = (webhook: Webhook): Readonly<Record<string, unknown>> => ({
  id: webhook.id,
  name: webhook.name,
  enabled: webhook.enabled,
  url: webhook.url,
  content_type: webhook.contentType,
  event: webhook.event,
  connection_timeout: webhook.connectionTimeoutSeconds,
  read_timeout: webhook.readTimeoutSeconds,
  authentication_type: webhook.authentication.type,
  username: webhook.authentication.type === 'BASIC' ? webhook.authentication.username : '',
  smart_group_id: webhook.smartGroupId,
  enable_display_fields_for_group_object: false,
  display_fields: '',
});
