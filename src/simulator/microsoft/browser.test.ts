import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestWorld, type TestWorld, tenantId } from '../../../test/harness/simulated-microsoft.ts';
import { createAuthority } from '../authority.ts';

let world: TestWorld;
let gateway: Server;
let trust: string;
beforeAll(async () => {
  world = await startTestWorld();
  const authority = await createAuthority();
  const { certificatePem: cert, keyPem: key } = await authority.issue(['localhost']);
  trust = authority.certificatePem;
  gateway = createServer({ cert, key }, (incoming, outgoing) => {
    const hop = /hop=(\d)/.exec(incoming.url ?? '');
    if (hop) {
      const left = Number(hop[1]);
      outgoing.writeHead(left === 0 ? 200 : 302, left === 0 ? {} : { location: `/page?hop=${left - 1}` });
      return outgoing.end(`at ${incoming.url}`);
    }
    outgoing.writeHead(302, { location: 'https://jamf.example/', 'content-type': 'text/plain' });
    return outgoing.end(`${incoming.url} ${incoming.headers['accept-language']}`);
  });
  await new Promise<void>((resolve) => {
    gateway.listen(0, '127.0.0.1', resolve);
  });
  const { port } = gateway.address() as AddressInfo;
  const partner = world.cloud.intune.tenant(tenantId);
  partner.enrollmentUrl = `https://localhost:${port}/t/${tenantId}/enroll`;
});
afterAll(async () => {
  await new Promise((resolve) => {
    gateway.close(resolve);
  });
  await world.close();
});

const browse = (visit: unknown): Promise<{ status: number; body: unknown }> =>
  world.control('POST', `/tenants/${tenantId}/browse`, visit);

test('an untrusted certificate, then a trusted one', async () => {
  expect(await browse({ kind: 'enroll' })).toMatchObject({ status: 502, body: { error: 'unreachable' } });
  expect(await browse({ kind: 'enroll', caPem: trust })).toMatchObject({
    status: 200,
    body: {
      status: 302,
      headers: { location: 'https://jamf.example/' },
      body: `/t/${tenantId}/enroll en`,
    },
  });
  expect((await browse({ kind: 'enroll' })).status).toBe(502);
  expect((await world.control('PUT', '/browser-trust', { pem: trust })).status).toBe(204);
  expect((await browse({ kind: 'enroll' })).status).toBe(200);
});

test('any query, another tenant, another language', async () => {
  const visit = {
    kind: 'enroll',
    query: { deviceId: 'x y', évil: '<b>' },
    asTenantId: '00000000-0000-4000-8000-000000000000',
    headers: { 'accept-language': 'fr' },
  };
  expect((await browse(visit)).body).toMatchObject({
    body: '/t/00000000-0000-4000-8000-000000000000/enroll?deviceId=x+y&%C3%A9vil=%3Cb%3E fr',
  });
  expect((await browse({ kind: 'enroll', query: 'a=%zz&a' })).body).toMatchObject({
    body: `/t/${tenantId}/enroll?a=%zz&a en`,
  });
});

test('redirects are followed when asked for, and not for ever', async () => {
  const { origin } = new URL(world.cloud.intune.tenant(tenantId).enrollmentUrl ?? '');
  expect((await browse({ kind: 'enroll', query: 'hop=2', follow: true })).body).toMatchObject({
    status: 200,
    url: `${origin}/page?hop=0`,
    hops: [`${origin}/t/${tenantId}/enroll?hop=2`, `${origin}/page?hop=1`],
    body: 'at /page?hop=0',
  });
  expect((await browse({ kind: 'enroll', query: 'hop=2' })).body).toMatchObject({ status: 302, hops: [] });
  expect(await browse({ kind: 'enroll', query: 'hop=9', follow: true })).toMatchObject({
    status: 502,
    body: { detail: 'too many redirects' },
  });
});

test('a page that was never provisioned is a conflict; wrong fields are named', async () => {
  expect((await browse({ kind: 'remediate' })).status).toBe(409);
  expect(await browse({ kind: 'both', colour: 1 })).toMatchObject({
    status: 400,
    body: { errors: expect.arrayContaining([{ field: 'colour', message: 'unknown field' }]) },
  });
});
