import { describe, expect, test } from 'vitest';
import { tokenErrorKinds } from './error-kinds.ts';
import { classifyTokenError } from './errors.ts';

const body = (
  code: number,
  error = 'invalid_request',
  description = `AADSTS${code}: text.\r\nTrace ID: x`,
): string =>
  JSON.stringify({
    error,
    error_description: description,
    error_codes: [code],
    trace_id: 'trace',
    correlation_id: 'correlation',
  });

describe('by AADSTS code (domain/microsoft.md 1.8)', () => {
  test.each([
    [700016, 'tenant', 'consent-required'],
    [7000229, 'tenant', 'consent-required'],
    [65004, 'tenant', 'consent-declined'],
    [500011, 'tenant', 'intune-not-provisioned'],
    [90002, 'tenant', 'tenant-not-found'],
    [90038, 'tenant', 'wrong-cloud'],
    [7000215, 'registration', 'credential-invalid'],
    [7000222, 'registration', 'credential-expired'],
    [700027, 'registration', 'certificate-unknown'],
    [500133, 'registration', 'assertion-invalid'],
    [700024, 'registration', 'clock-wrong'],
    [7000112, 'tenant', 'application-disabled'],
    [53003, 'tenant', 'blocked-by-policy'],
    [530003, 'user', 'device-not-compliant'],
    [50034, 'user', 'user-not-in-tenant'],
    [50196, 'transient', 'client-loop'],
    [90055, 'transient', 'throttled'],
    [90033, 'transient', 'entra-unavailable'],
    [28002, 'registration', 'request-malformed'],
  ])('%i is %s, %s', (code, scope, cause) => {
    expect(classifyTokenError(400, body(code))).toMatchObject({
      scope,
      cause,
      code,
      httpStatus: 400,
      description: `AADSTS${code}: text.`,
      traceId: 'trace',
      correlationId: 'correlation',
    });
  });

  test.each([
    [700024, 'AADSTS700024: Client assertion is not within its valid time range.'],
    [500133, 'AADSTS500133: Assertion is not within its valid time range.'],
    [50013, 'AADSTS50013: Assertion failed signature validation. [Reason - The token is not yet valid.]'],
  ])('%i about times names the clock of this machine, not the credential', (code, description) => {
    const failure = classifyTokenError(401, body(code, 'invalid_client', description));
    expect(failure).toMatchObject({ cause: 'clock-wrong', action: 'alarm-operator', owner: 'configuration' });
    expect(failure.remedy).toContain('clock of this machine');
  });

  test('a missing resource is named, and Graph is not taken for Intune', () => {
    const missing = (resource: string) =>
      body(
        500011,
        'invalid_resource',
        `AADSTS500011: The resource principal named ${resource} was not found in the tenant named X.`,
      );
    for (const graph of [
      'https://graph.microsoft.com',
      'https://dod-graph.microsoft.us',
      '00000003-0000-0000-c000-000000000000',
    ]) {
      const failure = classifyTokenError(400, missing(graph));
      expect(failure.cause).toBe('graph-not-available');
      expect(failure.remedy).toContain(graph);
    }
    const intune = classifyTokenError(400, missing('https://api.manage.microsoft.com/'));
    expect(intune.cause).toBe('intune-not-provisioned');
    expect(intune.remedy).toContain('https://api.manage.microsoft.com/');
    const asked = { scope: 'https://graph.example.test/.default', isGraph: true };
    const unnamed = classifyTokenError(400, body(500011), asked);
    expect([unnamed.cause, unnamed.remedy.includes('https://graph.example.test')]).toEqual([
      'graph-not-available',
      true,
    ]);
  });

  test('every code has a remedy and a slug', () => {
    for (const kind of tokenErrorKinds.values()) {
      expect(kind.cause).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(kind.remedy.length).toBeGreaterThan(20);
    }
  });

  test('the code may stand in the text only', () => {
    const text = JSON.stringify({ error: 'invalid_client', error_description: 'AADSTS7000222: expired' });
    expect(classifyTokenError(401, text)).toMatchObject({ cause: 'credential-expired', code: 7000222 });
  });
});

describe('without a known code', () => {
  test.each([
    [401, body(1, 'invalid_client'), 'credential-refused'],
    [400, body(1, 'unauthorized_client'), 'consent-required'],
    [400, body(1, 'invalid_resource'), 'intune-not-provisioned'],
    [400, body(1, 'something_new'), 'unexpected-answer'],
    [400, '{"error":"temporarily_unavailable"}', 'entra-unavailable'],
    [429, 'Too Many Requests', 'throttled'],
    [429, body(1, 'invalid_client'), 'throttled'],
    [503, '<html><body>Service Unavailable</body></html>', 'entra-unavailable'],
    [500, '', 'entra-unavailable'],
    [200, '<html>proxy</html>', 'unexpected-answer'],
    [400, 'null', 'unexpected-answer'],
    [400, '{"error":7,"error_codes":"x"}', 'unexpected-answer'],
  ])('%i %s is %s', (status, text, cause) => {
    expect(classifyTokenError(status, text).cause).toBe(cause);
  });
});

describe('wrong cloud', () => {
  test.each([
    [
      "AADSTS90038: Tenant 'x' request is being redirected to the National Cloud 'MicrosoftOnline.US'.",
      'usgov',
    ],
    ["AADSTS90038: redirected to the National Cloud 'login.chinacloudapi.cn'.", 'china'],
    ['AADSTS900382: use https://login.partner.microsoftonline.cn/ instead', 'china'],
    ["AADSTS900432: redirected to the National Cloud 'MicrosoftOnline.COM'.", 'public'],
  ])('%s', (description, cloud) => {
    const code = Number(/AADSTS(\d+)/.exec(description)?.[1]);
    const failure = classifyTokenError(400, body(code, 'invalid_request', description));
    expect(failure.suggestedCloud).toBe(cloud);
    expect(failure.remedy).toContain(cloud);
  });

  test('not named, and a host in another error is no hint', () => {
    expect(classifyTokenError(400, body(90038)).suggestedCloud).toBeUndefined();
    const elsewhere = body(90002, 'invalid_request', 'AADSTS90002: see login.microsoftonline.us');
    expect(classifyTokenError(400, elsewhere).suggestedCloud).toBeUndefined();
  });
});

test('nothing that looks like a token gets into a failure', () => {
  const token = 'eyJhbGciOiJQUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl';
  const failure = classifyTokenError(400, body(50027, 'invalid_request', `AADSTS50027: bad ${token} here`));
  expect(JSON.stringify(failure)).not.toContain('eyJ');
  expect(failure.description).toBe('AADSTS50027: bad [token] here');
});
