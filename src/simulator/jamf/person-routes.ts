/**
 * The pages that a person's browser gets from an instance (domain/jamf.md 4.2, step 5, and 9, item 21). Both only show
 * something: what follows, Self Service, Company Portal and the enrolment profile, happens on the Mac.
 */

import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import { classicError, type JamfEnv } from './answers.ts';

const page = (title: string, content: ReturnType<typeof html>) => html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${title}</title></head>
<body>
<h1>${title}</h1>
${content}
</body>
</html>
`;

/** A server shows its pages to whoever can read them; a program that asks for JSON is at the wrong address. */
const takesHtml = (c: Context<JamfEnv>): boolean =>
  (c.req.header('accept') ?? '*/*')
    .split(',')
    .some((range) => /^\s*(text\/html|text\/\*|\*\/\*)\s*(;(?!\s*q=0(\.0+)?\s*$)|$)/i.test(range));

const notAllowed = (c: Context<JamfEnv>): Response => {
  const refused = classicError(405, 'The method is not allowed for the requested URL');
  refused.headers.set('allow', 'GET, HEAD');
  c.set('note', { wrongMethod: c.req.method });
  return refused;
};

export function personRoutes(options: { readonly name: string; readonly url: () => string }): Hono<JamfEnv> {
  const { name, url } = options;
  const app = new Hono<JamfEnv>();
  const show = (path: string, title: string, content: () => ReturnType<typeof html>): void => {
    app.get(path, (c) => {
      if (!takesHtml(c)) return classicError(406, 'The page is HTML');
      return c.html(page(title, content()));
    });
    app.all(path, notAllowed);
  };
  show(
    '/DeviceRegistration.html',
    'Device Registration',
    () => html`<p>${name}: open Self Service and choose "Register with Microsoft" to get access to your organisation's resources.</p>
<p>If this Mac is not enrolled yet: <a href="${url()}/enroll">enrol it</a>.</p>`,
  );
  show(
    '/enroll',
    'Enroll Your Device',
    () =>
      html`<p>${name}: sign in with the account that your organisation gave you to download the enrolment profile.</p>`,
  );
  return app;
}
