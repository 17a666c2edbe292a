import { expect, test } from 'vitest';
import type { Instance } from '../store/instances/instance.ts';
import { createTargets } from './targets.ts';

const row = (more: Partial<Instance> = {}): Instance => ({
  tenantId: 'a',
  instanceId: 'b',
  name: 'Head office',
  url: 'https://jamf.example.test:8443/jss',
  apiClientId: 'client',
  apiSecretSealed: null,
  apiSecretRef: 'env:SECRET',
  compliance: { source: 'jamf' },
  caCertificate: null,
  clientCertificateSha256: null,
  enabled: true,
  paused: false,
  jamfVersion: null,
  lastSeenAt: null,
  lastErrorAt: null,
  lastError: null,
  version: 1,
  createdAt: new Date(0),
  updatedAt: new Date(0),
  ...more,
});

test("an instance's target has its origin, its context path and its authority", () => {
  const targetOf = createTargets();
  expect(targetOf(row({ caCertificate: 'pem' }))).toEqual({
    origin: 'https://jamf.example.test:8443',
    basePath: '/jss',
    caCertificate: 'pem',
  });
  expect(targetOf(row({ url: 'https://jamf.example.test/' }))).toEqual({
    origin: 'https://jamf.example.test',
    basePath: '',
    caCertificate: undefined,
  });
});

test('it stays the same object, and so the same pool, while neither URL nor authority changes', () => {
  const targetOf = createTargets();
  const target = targetOf(row());
  expect(targetOf(row({ name: 'New name', paused: true, version: 2 }))).toBe(target);
  for (const other of [
    { tenantId: 'c' },
    { instanceId: 'c' },
    { url: 'https://other.example.test' },
    { caCertificate: 'pem' },
  ]) {
    expect(targetOf(row(other))).not.toBe(target);
  }
  expect(targetOf(row())).toBe(target);
});
