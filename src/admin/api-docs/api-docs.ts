import type { AdminApp } from '../context.ts';
import { openApiDocument } from './document.ts';
import { docsPage } from './page.ts';
import { style } from './style.ts';

/** `/api/v1/openapi.json` and `/api/docs`, open to all who reach the listener: they show nothing of what is in it. */

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

const once = <T>(make: () => T): (() => T) => {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
};

/** Made with the first request that asks: by then every operation is there. */
export function addApiDocs(app: AdminApp): void {
  const document = once(() => openApiDocument(app));
  const page = once(() => String(docsPage(document())));
  const policy = once(
    async () =>
      `default-src 'none'; style-src 'sha256-${await sha256(style)}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  app.get('/api/v1/openapi.json', (c) => c.json(document()));
  app.get('/api/docs', async (c) =>
    c.html(page(), 200, {
      'content-security-policy': await policy(),
    }),
  );
}
