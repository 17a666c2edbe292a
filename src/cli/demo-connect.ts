/** Connects tenants as an operator does over the admin API and an administrator in a browser. */

import { DemoFailure } from './demo-failure.ts';
import type { DemoAnswer } from './demo-http.ts';
import type { DemoContext, DemoTenant } from './demo-world.ts';

const maxRedirects = 12;

interface Step {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
  readonly cause?: string;
  readonly remedy?: string;
}

/** Throws `DemoFailure` with every step that failed. */
export function requireSteps(
  what: string,
  answer: { readonly ok: boolean; readonly steps: readonly Step[] },
): void {
  if (answer.ok) return;
  const failed = answer.steps
    .filter((step) => !step.ok)
    .map(
      ({ cause, detail, name, remedy }) =>
        `  ${name}: ${[cause, detail, remedy].filter(Boolean).join(' - ')}`,
    );
  throw new DemoFailure(`${what} failed:\n${failed.join('\n')}`);
}

const pageText = (html: string): string =>
  html
    .replaceAll(/<(style|script)[\s\S]*?<\/\1>/g, ' ')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, 400);

/** Goes where the pages send it, as a browser; says which applications were consented to on the way. */
async function browse(context: DemoContext, first: string): Promise<ReadonlySet<string>> {
  const consented = new Set<string>();
  let url = new URL(first);
  let answer: DemoAnswer | undefined;
  for (let hop = 0; hop < maxRedirects; hop += 1) {
    if (url.pathname.endsWith('/adminconsent')) consented.add(url.searchParams.get('client_id') ?? '');
    answer = await context.http.send(url.href, { headers: { accept: 'text/html', 'accept-language': 'en' } });
    const { location } = answer.headers;
    if (answer.status < 300 || answer.status > 399 || typeof location !== 'string') break;
    url = new URL(location, url);
  }
  if (answer?.status !== 200) {
    // Without the query: it holds the state.
    const where = `${url.origin}${url.pathname}`;
    throw new DemoFailure(
      `the consent ended at ${where} with ${answer?.status}: ${pageText(answer?.text ?? '')}`,
    );
  }
  return consented;
}

/** Creates the tenant unless it is there, and gives both consents. */
export async function consentToTenant(context: DemoContext, tenant: DemoTenant): Promise<void> {
  const { admin, say } = context;
  const { cloud, displayName, tenantId } = tenant;
  await admin.call('POST', '/tenants', { body: { tenantId, cloud, displayName }, also: [409] });
  const { body } = await admin.call<{ consentUrls: { app: string; url: string }[] }>(
    'POST',
    `/tenants/${tenantId}/connect`,
  );
  const consented = new Set<string>();
  for (const { url } of body.consentUrls) {
    // The result page of the first consent leads on to the second, whose address is then used up.
    if (consented.has(new URL(url).searchParams.get('client_id') ?? '')) continue;
    for (const application of await browse(context, url)) consented.add(application);
  }
  say(`  ${displayName} in ${cloud}: ${body.consentUrls.map(({ app }) => app).join(' and ')} consented`);
}

/** Provisions and tests. Throws `DemoFailure` with the steps that failed. */
export async function confirmTenant(context: DemoContext, tenant: DemoTenant): Promise<void> {
  const { admin, say } = context;
  const path = `/tenants/${tenant.tenantId}/confirm`;
  const { body } = await admin.call<{ ok: boolean; steps: Step[] }>('POST', path);
  requireSteps(`confirming ${tenant.displayName}`, body);
  say(`  ${tenant.displayName} confirmed: ${body.steps.map(({ name }) => name).join(', ')}`);
}
