/**
 * `/sign-in/once`: a page with a button for whoever opens the demo's link, and the session behind it. To open the page does
 * not use the link up, so what looks at addresses before a person does (previews, scanners, prefetching) spoils nothing.
 */

import type { Context } from 'hono';
import type { Attempts } from '../../gateway/attempts.ts';
import { hashKey } from '../../secrets/keys.ts';
import type { AdminEnv, AdminServices } from '../context.ts';
import type { KeyOperators } from '../operators/key-operators.ts';
import { languageOf, ownForm, redirect, refused } from './answers.ts';
import { enterByKey } from './enter.ts';
import { isLocalRequest, type OneTimeLink } from './one-time-link.ts';
import { oneTimePage, pageHeaders } from './pages.ts';
import { homePath } from './return-to.ts';

export interface LinkParts {
  readonly services: AdminServices;
  readonly attempts: Attempts;
  readonly keys: KeyOperators;
  readonly link: OneTimeLink;
}

const isLocal = (c: Context<AdminEnv>, { facts }: AdminServices): boolean =>
  isLocalRequest({
    headers: c.req.raw.headers,
    hostCount: facts.headerCount(c, 'host'),
    target: facts.target(c),
    remoteAddress: facts.remoteAddress(c),
  });

/** A wrong link counts as a wrong key does. */
function gone(c: Context<AdminEnv>, { attempts, services }: LinkParts): Promise<Response> {
  const limited = attempts.wrong(services.facts.remoteAddress(c));
  return limited === undefined
    ? refused(c, services, 'link-gone')
    : refused(c, services, 'busy', limited.retryAfterSeconds);
}

async function showPage(c: Context<AdminEnv>, parts: LinkParts, token: string): Promise<Response> {
  if (!parts.link.isOpen(await hashKey(token))) return gone(c, parts);
  const language = languageOf(c);
  return c.html(oneTimePage(language, token), 200, pageHeaders(language));
}

export const showLink =
  (parts: LinkParts) =>
  async (c: Context<AdminEnv>): Promise<Response> => {
    if (!isLocal(c, parts.services)) return c.notFound();
    const token = new URL(c.req.url).searchParams.get('token') ?? '';
    return showPage(c, parts, token);
  };

export const useLink =
  (parts: LinkParts) =>
  async (c: Context<AdminEnv>): Promise<Response> => {
    const { keys, link, services } = parts;
    if (!isLocal(c, services)) return c.notFound();
    const { protocol } = new URL(services.adminUrl());
    const ownOrigin = `${protocol}//${c.req.header('host') ?? ''}`;
    const form = await ownForm(c, services, ownOrigin);
    if (form === undefined) return refused(c, { ...services, adminUrl: () => ownOrigin }, 'forged');
    // The switch to the other language: the token is in no address that a link could carry on.
    if (form.has('show')) return showPage(c, parts, form.get('token') ?? '');
    const hash = await hashKey(form.get('token') ?? '');
    const key = services.bootstrapKey;
    // The first key opens nothing once there is an admin key, and then neither does the link.
    const operator = key === undefined ? undefined : await keys.find(key);
    if (!link.take(hash) || key === undefined || operator === undefined) return gone(c, parts);
    await enterByKey(c, services, key, operator);
    return redirect(c, homePath);
  };
