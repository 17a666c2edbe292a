import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  bootstrapKey,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';

/** ETag, If-Match, If-None-Match and dry-run: contract section 8. */
describe('versions and dry runs', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let deviceId: string;
  let moveId: string;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 3 },
              { name: 'paris', macs: 1 },
            ],
          },
        ],
      },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    const instances = await connectTenant(scene, tenantId);
    [berlin, paris] = [instances.get('berlin')!, instances.get('paris')!];
    for (const { computerId, instanceName } of scene.world.fleet.macs())
      await sendWebhook(scene, instances.get(instanceName)!, computerId);
    await eventually(async () => {
      const { json } = await scene.api('GET', at('/devices?filter=state==verified'));
      expect(json.totalCount).toBe(4);
    });
    const { json } = await scene.api('GET', at(`/devices?filter=instanceId==${berlin.id}`));
    deviceId = json.results[0].id;
    await scene.database.sql`
      insert into claims (tenant_id, device_id, instance_id, jamf_computer_id)
      select tenant_id, device_id, ${paris.id}, 900 + jamf_computer_id from routes
      where tenant_id = ${tenantId} and instance_id = ${berlin.id}`;
    const move = await scene.api('POST', at('/moves'), {
      from: berlin.id,
      to: paris.id,
      percent: 100,
      shadow: false,
    });
    moveId = move.json.id;
  });
  afterAll(() => scene?.close());

  const at = (path: string) => `/tenants/${tenantId}${path}`;
  const send = (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: unknown,
  ): Promise<Answer> =>
    call(`${scene.gateway.admin}/api/v1${path}`, {
      method,
      ca: scene.trust,
      headers: {
        authorization: `Bearer ${bootstrapKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const slugOf = (answer: Answer): string => answer.json.type.replace('https://espalier.dev/problems/', '');
  /** Everything an operation could change of a tenant. */
  const snapshot = async (): Promise<string> => {
    const { sql } = scene.database;
    const rows = await Promise.all([
      sql`select tenant_id, connection_state, paused, version from tenants`,
      sql`select instance_id, enabled, paused, version, name from instances order by 1`,
      sql`select * from routes order by device_id`,
      sql`select device_id, revision, state, next_try_at from reports order by 1`,
      sql`select move_id, state, percent, version from moves`,
      sql`select device_id, state from move_devices order by 1`,
      sql`select instance_id, jamf_computer_id, wanted_revision from computers order by 1, 2`,
      sql`select max(version) from route_changes`,
      sql`select instance_id, reconcile_started_at from instance_reading order by 1`,
    ]);
    return JSON.stringify(rows);
  };

  const objects = (): [string, string][] => [
    ['a tenant', at('')],
    ['an instance', at(`/instances/${berlin.id}`)],
    ['a device', at(`/devices/${deviceId}`)],
    ['a move', at(`/moves/${moveId}`)],
  ];

  it('every object has a strong tag that begins with its version, and 304 for whoever knows it', async () => {
    for (const [what, path] of objects()) {
      const read = await send('GET', path);
      const tag = String(read.headers.etag);
      expect(tag, what).toMatch(/^"\d+-[\w-]{16}"$/);
      if (read.json.versionLock !== undefined)
        expect(tag.startsWith(`"${read.json.versionLock}-`), what).toBe(true);
      for (const known of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
        const unchanged = await send('GET', path, { 'if-none-match': known });
        expect([unchanged.status, unchanged.text, unchanged.headers.etag], what).toEqual([304, '', tag]);
        expect(unchanged.headers['content-type']).toBeUndefined();
        expect(unchanged.headers['cache-control']).toBe('no-store');
      }
      const head = await send('HEAD', path);
      expect([head.status, head.headers.etag, head.text], what).toEqual([200, tag, '']);
      expect((await send('GET', path, { 'if-none-match': '"1-aaaaaaaaaaaaaaaa"' })).status, what).toBe(200);
    }
  });

  it('the tag changes with what is shown, although the version does not', async () => {
    const before = await send('GET', at(`/devices/${deviceId}`));
    await scene.database.sql`
      update reports set updated_at = now() where tenant_id = ${tenantId} and device_id = ${deviceId}`;
    const after = await send('GET', at(`/devices/${deviceId}`), {
      'if-none-match': String(before.headers.etag),
    });
    expect(after.status).toBe(200);
    expect(after.headers.etag).not.toBe(before.headers.etag);
    expect(String(after.headers.etag).split('-')[0]).toBe(String(before.headers.etag).split('-')[0]);
  });

  it('what has no version and lists have tags too; a refusal has none', async () => {
    for (const path of [at('/status'), '/version', '/tenants', at('/devices'), '/keys']) {
      const { headers } = await send('GET', path);
      expect(headers.etag, path).toMatch(/^"[\w-]{16}"$/);
    }
    expect((await send('GET', `/tenants/${crypto.randomUUID()}`)).headers.etag).toBeUndefined();
  });

  it('412 on every operation of an object with a version; nothing is done', async () => {
    const { json: key } = await send('POST', '/keys', {}, { name: 'k', role: 'viewer', tenants: [tenantId] });
    const { results } = (await send('GET', at(`/instances/${berlin.id}/keys`))).json;
    const place = { instanceId: berlin.id, jamfComputerId: '1' };
    const operations: [string, string, unknown?][] = [
      ['PATCH', at(''), { displayName: 'x' }],
      ['DELETE', at('?force=true')],
      ...['connect', 'confirm', 'enable', 'disable', 'pause', 'resume', 'disconnect', 'resync'].map(
        (verb): [string, string] => ['POST', at(`/${verb}`)],
      ),
      ['POST', at('/migrate'), { connectionType: 'manual' }],
      ['POST', at('/routes/rebuild')],
      ['PATCH', at(`/instances/${berlin.id}`), { name: 'x' }],
      ['DELETE', at(`/instances/${berlin.id}?force=true`)],
      ...['test', 'pause', 'resume', 'reconcile'].map((verb): [string, string] => [
        'POST',
        at(`/instances/${berlin.id}/${verb}`),
      ]),
      ['DELETE', at(`/instances/${berlin.id}/keys/${results[0].id}`)],
      ['PUT', at(`/devices/${deviceId}`), place],
      ['DELETE', at(`/devices/${deviceId}`)],
      ...['advance', 'pause', 'rollback'].map((verb): [string, string] => [
        'POST',
        at(`/moves/${moveId}/${verb}`),
      ]),
      ['DELETE', `/keys/${key.id}`],
    ];
    const before = await snapshot();
    for (const [method, path, body] of operations) {
      for (const tag of ['"999"', '"999-abcdefgh"', 'nonsense']) {
        const answer = await send(method, path, { 'if-match': tag }, body);
        expect([method, path, answer.status, slugOf(answer)]).toEqual([
          method,
          path,
          412,
          'precondition-failed',
        ]);
      }
    }
    expect(await snapshot()).toBe(before);
    // The document says the same: whatever answers 412 takes If-Match.
    const { json } = await scene.api('GET', '/openapi.json');
    const described = Object.entries<Record<string, { responses: object; parameters?: { $ref?: string }[] }>>(
      json.paths,
    ).flatMap(([path, item]) =>
      Object.entries(item)
        .filter(([, { responses }]) => '412' in responses)
        .map(([method, { parameters = [] }]) => ({
          at: `${method} ${path}`,
          takes: parameters.some(({ $ref }) => $ref === '#/components/parameters/IfMatch'),
        })),
    );
    expect(described.filter(({ takes }) => !takes)).toEqual([]);
    expect(described.length).toBeGreaterThanOrEqual(operations.length);
  });

  it('a write takes the tag that was read, the version alone, and none; its answer has the next version', async () => {
    const path = at(`/instances/${berlin.id}`);
    const version = (answer: Answer) => Number(/^"(\d+)/.exec(String(answer.headers.etag))?.[1]);
    const read = await send('GET', path);
    const first = await send('PATCH', path, { 'if-match': String(read.headers.etag) }, { name: 'berlin 1' });
    expect([first.status, version(first)]).toEqual([200, version(read) + 1]);
    const second = await send('PATCH', path, { 'if-match': `"${version(first)}"` }, { name: 'berlin 2' });
    expect([second.status, version(second)]).toEqual([200, version(read) + 2]);
    const third = await send('PATCH', path, {}, { name: 'berlin' });
    expect([third.status, version(third)]).toEqual([200, version(read) + 3]);
    for (const verb of ['pause', 'resume']) {
      for (const object of [path, at('')]) {
        const answer = await send('POST', `${object}/${verb}`);
        expect([answer.status, version(answer)]).toEqual([200, version(await send('GET', object))]);
      }
    }
    const stale = await send('PATCH', path, { 'if-match': String(read.headers.etag) }, { name: 'late' });
    expect(stale.status).toBe(412);
  });

  it('a dry run says what it would do and does nothing', async () => {
    const runs: [string, string, number, object, unknown?][] = [
      ['DELETE', '?force=true&', 200, { dryRun: true, devices: 4, instances: 2 }],
      ['POST', '/confirm?', 200, { dryRun: true, ok: true, steps: [], reports: 0 }],
      ['POST', '/enable?', 200, { dryRun: true, ok: true, steps: [], reports: 0 }],
      [
        'POST',
        '/disable?',
        200,
        { dryRun: true, before: 'connected', connectionState: 'disabled', devices: 4 },
      ],
      ['POST', '/disconnect?', 200, { dryRun: true, devices: 4, retracting: 4 }, { retract: true }],
      ['POST', '/resume?', 200, { dryRun: true, paused: false, reports: 0 }],
      ['POST', '/resync?', 200, { dryRun: true, reports: 4 }],
      ['POST', '/migrate?', 200, { dryRun: true, devices: 4 }, { mode: 'conditional-access' }],
      ['POST', '/routes/rebuild?', 200, { dryRun: true, instances: 2, computers: 4 }],
      ['POST', '/routes/rollback?', 200, { dryRun: true, version: null }, { toVersion: 0, reason: 'test' }],
      ['POST', `/instances/${berlin.id}/reconcile?`, 200, { dryRun: true, computers: 3 }],
      ['POST', `/instances/${berlin.id}/resume?`, 200, { dryRun: true, paused: false, computers: 0 }],
      ['POST', `/instances/${berlin.id}/pause?`, 200, { dryRun: true, paused: false }],
      [
        'PATCH',
        `/instances/${berlin.id}?`,
        200,
        { dryRun: true, enabled: false, routes: { devices: 3, changed: 3, ended: 0 } },
        { enabled: false },
      ],
      [
        'PATCH',
        `/instances/${paris.id}?`,
        200,
        { dryRun: true, enabled: false, routes: { devices: 4, changed: 0, ended: 0 } },
        { enabled: false },
      ],
      ['PATCH', `/instances/${berlin.id}?`, 200, { dryRun: true, name: 'would be' }, { name: 'would be' }],
      ['DELETE', `/instances/${berlin.id}?force=true&`, 200, { dryRun: true, devices: 3, moved: 3 }],
      [
        'POST',
        `/moves?`,
        200,
        { dryRun: true, devices: 1, planned: 0 },
        { from: paris.id, to: berlin.id, unclaimed: true },
      ],
      ['POST', `/moves/${moveId}/advance?`, 200, { dryRun: true, state: 'moving', percent: 100, pending: 3 }],
      ['POST', `/moves/${moveId}/rollback?`, 200, { dryRun: true, state: 'rolled-back', pending: 0 }],
      ['POST', `/moves/${moveId}/pause?`, 200, { dryRun: true, paused: true }],
    ];
    const before = await snapshot();
    for (const [method, path, status, expected, body] of runs) {
      const answer = await send(method, `${at(path)}dry-run=true`, {}, body);
      expect([method, path, answer.status, answer.json]).toEqual([
        method,
        path,
        status,
        expect.objectContaining(expected),
      ]);
      expect(await snapshot(), `${method} ${path}`).toBe(before);
    }
    const replay = await send(
      'POST',
      '/reports/replay?dry-run=true',
      {},
      { filter: `tenantId==${tenantId}` },
    );
    expect(replay.json).toMatchObject({ dryRun: true, replayed: 4 });
    expect(await snapshot()).toBe(before);
  });

  it('a dry run is refused as the real one would be', async () => {
    const { sql } = scene.database;
    await sql`update tenants set connection_state = 'disconnected' where tenant_id = ${tenantId}`;
    for (const verb of ['disable', 'disconnect']) {
      const answer = await send('POST', at(`/${verb}?dry-run=true`));
      expect([answer.status, answer.json.detail]).toEqual([409, expect.stringContaining('disconnected')]);
    }
    await sql`update tenants set connection_state = 'connected' where tenant_id = ${tenantId}`;
    const taken = await send('PATCH', at(`/instances/${berlin.id}?dry-run=true`), {}, { name: 'paris' });
    expect(taken.status).toBe(409);
    const move = await send('POST', at(`/moves/${moveId}/advance?dry-run=true`), {}, { percent: 200 });
    expect(move.status).toBe(400);
    const flag = await send('POST', at('/resync?dry-run=perhaps'));
    expect([flag.status, flag.json.errors[0].field]).toEqual([400, 'dry-run']);
  });

  it('a dry run of a move says how many devices follow; the real one moves as many', async () => {
    const done = await send('POST', at(`/moves/${moveId}/advance`));
    expect(done.json).toMatchObject({ dryRun: false, state: expect.stringMatching(/moving|done/) });
    await eventually(async () => {
      const { json } = await send('GET', at(`/moves/${moveId}`));
      expect(json).toMatchObject({ state: 'done', devices: { moved: 3 } });
    });
    const back = await send('POST', at(`/moves/${moveId}/rollback?dry-run=true`));
    expect(back.json).toMatchObject({ dryRun: true, state: 'rolled-back', pending: 3 });
  });

  it('a dry run of disabling an instance says how many routes change; the real one changes as many', async () => {
    const path = at(`/instances/${paris.id}`);
    const changes = async () =>
      (await scene.database.sql`select 1 from route_changes where tenant_id = ${tenantId}`).length;
    const { routes } = (await send('PATCH', `${path}?dry-run=true`, {}, { enabled: false })).json;
    expect(routes.changed).toBeGreaterThan(0);
    const before = await changes();
    const { json } = await send('PATCH', path, {}, { enabled: false });
    expect(json).toMatchObject({ dryRun: false, enabled: false });
    expect((await changes()) - before).toBe(routes.changed + routes.ended);
  });
});
