import { describe, expect, test } from 'vitest';
import { builtInClouds } from './clouds.ts';
import { adminConsentUrl, parseConsentRedirect } from './consent.ts';

const tenant = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const parse = (query: string) => parseConsentRedirect(new URLSearchParams(query));

test('the consent address', () => {
  const cloud = builtInClouds.get('usgov');
  if (cloud === undefined) throw new Error('no usgov cloud');
  const url = new URL(
    adminConsentUrl({
      cloud,
      tenantId: tenant,
      clientId: 'client',
      redirectUri: 'https://gw.example.test/microsoft/consent',
      scope: 'https://graph.microsoft.us/.default',
      state: 'a&b',
    }),
  );
  expect(url.origin + url.pathname).toBe(`https://login.microsoftonline.us/${tenant}/v2.0/adminconsent`);
  expect(Object.fromEntries(url.searchParams)).toEqual({
    client_id: 'client',
    redirect_uri: 'https://gw.example.test/microsoft/consent',
    scope: 'https://graph.microsoft.us/.default',
    state: 'a&b',
  });
});

describe('the redirect back', () => {
  test('granted', () => {
    expect(parse(`admin_consent=True&tenant=${tenant.toUpperCase()}&state=s&scope=x&unknown=1`)).toEqual({
      outcome: 'granted',
      tenantId: tenant,
      state: 's',
    });
  });

  test('refused, although admin_consent says True', () => {
    const description = 'AADSTS65004%3A+The+resource+owner+denied.%0D%0ATrace+ID%3A+x';
    expect(
      parse(`error=consent_required&error_description=${description}&state=s&admin_consent=True`),
    ).toEqual({
      outcome: 'refused',
      error: 'consent_required',
      description: 'AADSTS65004: The resource owner denied. Trace ID: x',
      code: 65004,
      state: 's',
    });
    expect(parse('error=permission_denied')).toEqual({
      outcome: 'refused',
      error: 'permission_denied',
      description: '',
    });
  });

  test.each([
    '',
    'state=s',
    `admin_consent=True&tenant=${tenant}`,
    `admin_consent=True&tenant=${tenant}&state=`,
    `admin_consent=False&tenant=${tenant}&state=s`,
    'admin_consent=True&tenant=contoso.com&state=s',
    `admin_consent=True&tenant=${tenant}&tenant=${tenant}&state=s`,
    `admin_consent=True&tenant=${tenant}&state=s&state=t`,
    `admin_consent=True&tenant=${tenant}&state=${'s'.repeat(600)}`,
  ])('malformed: %s', (query) => {
    expect(parse(query).outcome).toBe('malformed');
  });
});
