import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Attention, attentionKinds } from '../../src/alerts/attention.ts';
import type { TenantRow } from '../../src/alerts/attention-rows.ts';
import * as words from '../../src/alerts/attention-words.ts';
import { pages } from '../../src/console/pages/all.ts';

/** What needs a person leads to a page on which it is done: each address that the overview gives is a page's. */

const tenantId = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const instanceId = 'b6a9f0c1-2d3e-4f50-8a71-92b3c4d5e6f7';
const at = new Date('2026-11-01T00:00:00Z');
const named = { tenantId, tenantName: 'Contoso', instanceId, instanceName: 'berlin' };

const tenant: TenantRow = {
  ...{ tenantId, tenantName: 'Contoso', connectionState: 'connected', hold: null, paused: true },
  permissions: { ok: false, missing: ['graph:Directory.Read.All'], extra: [], checkedAt: at.toISOString() },
  ...{ terminatedAt: at, devicesRemovedAt: null, createdAt: at, updatedAt: at },
};
const hold = { cause: 'consent-lost', detail: '', owner: 'microsoft', remedy: '', since: at.toISOString() };
const states = ['new', 'consenting', 'consented', 'terminated', 'connected'] as const;
const instance = { ...named, paused: false, lastError: 'refused', lastSeenAt: at, lastErrorAt: at };
const key = { ...named, name: 'webhooks', prefix: 'esp_abc', expiresAt: at };

/** By the function that says them: a new one is missing here until it has a line. */
const said: Readonly<Record<keyof typeof words, readonly Attention[]>> = {
  ofTenant: states.flatMap((connectionState) =>
    words.ofTenant({ ...tenant, connectionState, hold: hold as TenantRow['hold'] }),
  ),
  ofInstance: [words.ofInstance(instance), words.ofInstance({ ...instance, paused: true })],
  ofFailed: [words.ofFailed({ ...named, reason: "it's so", detail: null, since: at, count: 1, more: false })],
  ofInstanceKey: [words.ofInstanceKey(key)],
  ofApiKey: [
    words.ofApiKey({ ...key, tenantId: null, tenantName: null, instanceId: null, instanceName: null }),
  ],
  ofAcmeName: [
    words.ofAcmeName({
      ...{ name: 'gateway.example.com', attempts: 1, nextTryAt: at, notAfter: null, lastErrorAt: at },
      ...{
        lastError: 'The authority refuses (dns): no address',
        nextTryInSeconds: 1,
        expiresInSeconds: null,
      },
    }),
  ],
  ofCertificate: [words.ofCertificate({ kind: 'application', name: 'connector', seconds: 1 }, at)],
  ofFailingTarget: [null, at].map((givenUpAt) =>
    words.ofFailingTarget({
      ...{ targetId: instanceId, name: 'on call', lastError: 'HTTP 500', failingSince: at, givenUpAt },
    }),
  ),

  ofMassChange: [
    words.ofMassChange({
      ...{ tenantId, tenantName: 'Contoso', holdId: instanceId, state: 'refused', openedAt: at, held: 11 },
      ...{ macs: 60, unmanaged: 50, notCompliant: 0 },
    }),
  ],
  ofApproval: [
    words.ofApproval({
      ...{ tenantId, tenantName: null, approvalId: instanceId, action: 'move.advance', summary: '' },
      ...{ requestedBy: 'ann', createdAt: at, devices: 101 },
    }),
  ],
};

const isPage = (path: string): boolean =>
  pages.some((page) => new RegExp(`^${page.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(path));

describe('the overview', () => {
  it('has words for each kind of need', () => {
    expect(Object.keys(said).sort()).toEqual(Object.keys(words).sort());
    const kinds = new Set(
      Object.values(said)
        .flat()
        .map(({ kind }) => kind),
    );
    expect([...kinds].sort()).toEqual([...attentionKinds].sort());
  });

  it('leads from each need to a page that exists', () => {
    for (const { action, cause, kind } of Object.values(said).flat()) {
      const url = new URL(action.href, 'https://console.invalid');
      expect({ kind, cause, href: action.href, isPage: isPage(url.pathname) }).toMatchObject({
        isPage: true,
      });
      expect(url.origin).toBe('https://console.invalid');
      expect(url.pathname).not.toBe('/');
    }
  });

  it('gives no address that is written elsewhere', () => {
    const folder = new URL('../../src/alerts/', import.meta.url);
    const writers = readdirSync(folder).filter((file) =>
      /href: [`'"]/.test(readFileSync(new URL(file, folder), 'utf8')),
    );
    expect(writers).toEqual(['attention-words.ts']);
  });
});
