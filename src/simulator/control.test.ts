import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startControl } from './control.ts';
import type { Host } from './host.ts';
import { clientSecretOf, createWorld, type World } from './world.ts';

let world: World;
let host: Host;
let agent: Agent;
beforeAll(async () => {
  world = await createWorld({
    clouds: ['public'],
    tenants: [{ displayName: 'Contoso', instances: [{ name: 'berlin', macs: 2 }] }],
  });
  host = await startControl(world, { pathOf: (file) => `/data/${file}` });
  agent = new Agent({ connect: { ca: world.authority.certificatePem } });
});
afterAll(async () => {
  await agent.close();
  await host.close();
  await world.close();
});

const call = async (
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT',
  path: string,
  body?: unknown,
): Promise<{ status: number; body: never }> => {
  const answer = await request(`${host.origin}/control${path}`, {
    method,
    dispatcher: agent,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, body: (text === '' ? undefined : JSON.parse(text)) as never };
};

describe('control API', () => {
  test('plays a fault until it is taken back', async () => {
    const made = await call('POST', '/faults', { service: 'jamf:berlin', status: 503, body: 'away' });
    expect(made).toMatchObject({ status: 201, body: { id: expect.any(String), status: 503 } });
    const url = `${world.instance('berlin').url}/api/v1/jamf-pro-version`;
    const failing = await request(url, { dispatcher: agent });
    expect([failing.statusCode, await failing.body.text()]).toEqual([503, 'away']);
    const { id } = made.body as { id: string };
    expect(await call('DELETE', `/faults/${id}`)).toMatchObject({ status: 204 });
    expect(await call('DELETE', `/faults/${id}`)).toMatchObject({ status: 404 });
    await call('POST', '/faults', { service: 'entra', delayMs: 1 });
    expect(await call('DELETE', '/faults')).toMatchObject({ status: 204 });
    expect(await call('GET', '/faults')).toEqual({ status: 200, body: { faults: [] } });
  });

  test('400 names the field of a wrong fault', async () => {
    const fields = async (body: unknown): Promise<string[]> => {
      const answer = await call('POST', '/faults', body);
      expect(answer.status).toBe(400);
      return (answer.body as { errors: { field: string }[] }).errors.map(({ field }) => field);
    };
    expect(await fields({ service: 'mars', status: 500 })).toEqual(['service']);
    expect(await fields({ service: 'jamf', status: 99 })).toEqual(['status']);
    expect(await fields({ service: 'jamf', status: 500, sometimes: true })).toEqual(['sometimes']);
    expect(await fields({ service: 'jamf' })).toEqual(['status']);
  });

  test('shows the journal by service and since a number, without itself', async () => {
    await call('DELETE', '/journal');
    const { entra } = world.cloud('public').origins;
    await (await request(`${entra}/common/discovery/instance`, { dispatcher: agent })).body.dump();
    const answer = await call('GET', '/journal?service=entra&path=discovery');
    const { entries } = answer.body as { entries: { sequence: number; service: string }[] };
    expect(entries.map(({ service }) => service)).toEqual(['entra:public']);
    expect(await call('GET', `/journal?since=${entries[0]?.sequence}`)).toMatchObject({
      body: { entries: [] },
    });
    expect(await call('GET', '/journal?since=soon')).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'since' }] },
    });
    expect(await call('GET', '/journal?sinse=1')).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'sinse' }] },
    });
  });

  test('moves the clock forward and never back', async () => {
    const before = world.clock.now();
    expect(await call('POST', '/clock', { advanceMs: 3_600_000 })).toMatchObject({ status: 200 });
    expect(world.clock.now()).toBeGreaterThanOrEqual(before + 3_600_000);
    // Services say what their own clock says.
    const { body, headers } = await request(`${host.origin}/control/clock`, { dispatcher: agent });
    await body.dump();
    expect(Date.parse(String(headers.date))).toBeGreaterThanOrEqual(before + 3_599_000);
    expect(await call('POST', '/clock', { advanceMs: -1 })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'advanceMs' }] },
    });
  });

  test('tells of the world what a gateway needs, and no secret', async () => {
    const answer = await call('GET', '/world');
    expect(answer.body).toMatchObject({
      caFile: '/data/ca.crt',
      clouds: { public: { authority: world.cloud('public').origins.entra } },
      environment: { ESPALIER_CLOUDS_FILE: '/data/clouds.json' },
      tenants: [{ displayName: 'Contoso', instances: [{ name: 'berlin', complianceGroupId: 3 }] }],
      devices: 2,
    });
    const text = JSON.stringify(answer.body);
    const applications = world.applications.get('public');
    expect(text).not.toContain(applications?.diagnostic.clientSecret);
    expect(text).not.toContain(applications?.caller.clientSecret);
    expect(text).not.toContain(clientSecretOf(world.instance('berlin')));
  });

  test('mounts the control of both sides and of the fleet', async () => {
    expect(await call('GET', '/microsoft/clouds')).toMatchObject({
      body: { clouds: [{ name: 'public' }] },
    });
    expect(await call('GET', '/jamf/instances')).toMatchObject({ body: [{ name: 'berlin' }] });
    expect(await call('GET', '/fleet/truth')).toMatchObject({ status: 200 });
    expect(await call('GET', '/nowhere')).toMatchObject({ status: 404, body: { what: 'path' } });
  });
});
