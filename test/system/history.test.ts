import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newFileKey } from '../../src/secrets/sealed-file.ts';
import { visitConsole } from '../harness/console.ts';
import { addHold } from '../harness/due-rows.ts';
import { startEchoingDeployment } from '../harness/echoing-deployment.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  addInstance,
  bootstrapKey,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { type Entry, type HistoryReader, readHistoryOf } from '../harness/history.ts';
import { type Answer, call } from '../harness/http.ts';

/** What operators and the gateway did: contract section 8, `/history` and `/history/verify`; docs/history.md. */
describe('history', () => {
  let scene: Scene;
  let reader: HistoryReader;
  let tenantId: string;
  let otherId: string;
  let instances: Map<string, AddedInstance>;
  const secret = 'the-secret-that-nobody-may-see';
  const walked = new Set<string>();
  /** As many as wait for a second operator, on an instance of the other tenant. */
  const manyDevices = 101;
  let manyAt: string;
  let operations: { method: string; id: string; pattern: RegExp }[];

  const send: HistoryReader['send'] = (...request) => reader.send(...request);
  const history: HistoryReader['entries'] = (...query) => reader.entries(...query);
  const of: HistoryReader['of'] = (...filter) => reader.of(...filter);
  const verify: HistoryReader['verify'] = (key) => reader.verify(key);

  /** A write that succeeds, with the entries that it left. */
  const write = async (
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Answer & { entries: Entry[] }> => {
    const requestId = crypto.randomUUID();
    const answer = await send(method, path, body, { 'x-request-id': requestId });
    expect(answer.status, `${method} ${path}: ${answer.text}`).toBeLessThan(300);
    const operation = operations.find(
      (one) => one.method === method && one.pattern.test(path.split('?')[0]!),
    );
    walked.add(operation?.id ?? `${method} ${path}`);
    return { ...answer, entries: await of(`requestId==${requestId}`) };
  };
  /** The one entry that a write left. */
  const wrote = async (method: string, path: string, body?: unknown): Promise<Entry> => {
    const { entries } = await write(method, path, body);
    expect(entries.map(({ action }) => action)).toHaveLength(1);
    return entries[0]!;
  };
  const newKey = async (
    name: string,
    role: string,
    tenants?: string[],
  ): Promise<{ id: string; key: string }> =>
    (await scene.api('POST', '/keys', { name, role, ...(tenants ? { tenants } : {}) })).json;
  const instanceBody = (name: string) => ({
    name,
    url: scene.world.instance('one').url,
    apiClient: { clientId: crypto.randomUUID(), clientSecret: secret },
  });

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Contoso',
            instances: [
              { name: 'one', macs: 3 },
              { name: 'two', macs: 1 },
            ],
          },
          { displayName: 'Fabrikam', instances: [{ name: 'other', macs: 1 }] },
          { displayName: 'Manual', instances: [] },
        ],
      },
      environment: { ESPALIER_HEARTBEAT_SECONDS: '2', ESPALIER_APPROVALS: 'on' },
    });
    reader = readHistoryOf(scene);
    [tenantId, otherId] = scene.world.tenants.map((one) => one.tenantId) as [string, string];
    instances = await connectTenant(scene, tenantId);
    await connectTenant(scene, otherId);
    const document = (await call(`${scene.gateway.admin}/api/v1/openapi.json`, { ca: scene.trust })).json;
    operations = Object.entries(
      document.paths as Record<string, Record<string, { operationId: string }>>,
    ).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([method]) => !['get', 'head', 'parameters'].includes(method))
        .map(([method, { operationId }]) => ({
          method: method.toUpperCase(),
          id: operationId,
          pattern: new RegExp(`^${path.replace('/api/v1', '').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
        })),
    );
  });
  afterAll(() => scene?.close());

  it('tells how a tenant was connected, by whom each step was taken', async () => {
    const entries = (await of(`tenantId==${tenantId};objectKind=in=(tenant,connection)`)).reverse();
    expect(entries.map(({ action, authorKind }) => `${authorKind} ${action}`)).toEqual([
      'bootstrap tenant.create',
      'bootstrap connection.connect',
      'gateway connection.consent',
      'gateway connection.consent',
      'bootstrap connection.confirm',
    ]);
    expect(entries.map(({ after }) => after?.connectionState)).toEqual([
      undefined,
      'consenting',
      undefined,
      'consented',
      'connected',
    ]);
    expect(entries[0]).toMatchObject({
      author: 'bootstrap',
      before: null,
      after: { displayName: 'Contoso', cloud: 'public', mode: 'device-compliance' },
      reason: null,
      source: '127.0.0.1',
      requestId: expect.any(String),
    });
    expect(entries[4]).toMatchObject({
      before: { connectionState: 'consented' },
      after: { connectionState: 'connected', ok: true, failed: [] },
    });
    expect(entries.map(({ sequence }) => sequence)).toEqual(
      [...entries.map(({ sequence }) => sequence)].sort((a, b) => a - b),
    );
  });

  it('records every write of the API once, with what changed', async () => {
    const third = scene.world.tenants[2]!.tenantId;
    const at = `/tenants/${third}`;
    expect(
      await wrote('POST', '/tenants', {
        tenantId: third,
        cloud: 'public',
        displayName: 'Third',
        mode: 'conditional-access',
        connectionType: 'manual',
        application: { clientId: crypto.randomUUID(), clientSecret: secret },
      }),
    ).toMatchObject({
      action: 'tenant.create',
      objectId: third,
      after: { application: { secretRef: null }, applicationSecret: 'set' },
    });
    expect(await wrote('PATCH', at, { displayName: 'Renamed' })).toMatchObject({
      action: 'tenant.change',
      before: { displayName: 'Third' },
      after: { displayName: 'Renamed' },
    });
    const own = { clientId: crypto.randomUUID(), clientSecret: secret };
    expect((await wrote('PATCH', at, { application: own })).after).toEqual({
      application: { clientId: own.clientId, secretRef: null },
      applicationSecret: 'changed',
    });
    expect(await wrote('POST', `${at}/pause`)).toMatchObject({
      action: 'connection.pause',
      before: { paused: false },
      after: { paused: true },
    });
    expect(await wrote('POST', `${at}/resume`)).toMatchObject({ after: { paused: false } });
    expect(await wrote('POST', `${at}/move-out`)).toMatchObject({
      action: 'tenant.move-out',
      after: { generation: 1 },
    });
    await scene.database.sql`
      update placements set fenced_at = fenced_at - interval '65 seconds' where tenant_id = ${third}`;
    const fileKey = newFileKey();
    const file = await send('GET', `${at}/move-out/file`, undefined, {
      'x-request-id': 'a-file',
      'x-espalier-file-key': fileKey,
    });
    expect(file.status).toBe(200);
    expect(await of('requestId==a-file')).toMatchObject([{ action: 'tenant.move-out-file' }]);
    // Not in the tenant's chain, which goes on at the other deployment.
    const elsewhere = await startEchoingDeployment(scene.world.authority);
    const relay = { to: elsewhere.url, until: '2100-01-01T00:00:00.000Z' };
    const relayed = { tenantId: null, objectId: third };
    expect(await wrote('PUT', `${at}/move-out/relay`, relay)).toMatchObject({
      ...{ ...relayed, action: 'tenant.relay' },
      after: relay,
    });
    await elsewhere.close();
    expect(await wrote('DELETE', `${at}/move-out/relay`)).toMatchObject({
      ...{ ...relayed, action: 'tenant.relay-cancel' },
      before: relay,
    });
    expect(await wrote('DELETE', `${at}/move-out?force=true`)).toMatchObject({
      action: 'tenant.move-out-cancel',
      before: { generation: 1 },
      after: { force: true },
    });
    expect(await wrote('POST', `${at}/connect`)).toMatchObject({
      action: 'connection.connect',
      before: { connectionState: 'new' },
      after: { connectionState: 'consenting' },
    });
    expect(await wrote('POST', `${at}/confirm`)).toMatchObject({
      action: 'connection.confirm',
      before: null,
      after: { ok: false, failed: expect.arrayContaining(['token']) },
    });
    expect(await wrote('POST', `${at}/migrate?dry-run=false`, { mode: 'device-compliance' })).toMatchObject({
      action: 'connection.migrate',
      before: { mode: 'conditional-access', connectionType: 'manual' },
      after: { mode: 'device-compliance', connectionType: 'manual' },
    });

    const made = await write('POST', `${at}/instances`, instanceBody('first'));
    expect(made.entries).toMatchObject([
      { action: 'instance.create', objectId: made.json.id, after: { name: 'first', apiSecret: 'set' } },
    ]);
    const instance = `${at}/instances/${made.json.id}`;
    expect(
      await wrote('PATCH', instance, { name: 'renamed', apiClient: { clientId: 'x', clientSecret: secret } }),
    ).toMatchObject({
      action: 'instance.change',
      before: { name: 'first' },
      after: { name: 'renamed', apiClient: { clientId: 'x' }, apiSecret: 'changed' },
    });
    expect(await wrote('POST', `${instance}/test`)).toMatchObject({
      action: 'instance.test',
      after: { ok: false, failed: expect.arrayContaining(['token']) },
    });
    expect((await wrote('POST', `${instance}/pause`)).action).toBe('instance.pause');
    expect((await wrote('POST', `${instance}/resume`)).action).toBe('instance.resume');
    expect((await wrote('POST', `${instance}/reconcile`)).action).toBe('instance.reconcile');
    const key = await write('POST', `${instance}/keys`, { name: 'hooks' });
    expect(key.entries).toMatchObject([{ action: 'instance-key.create', after: { name: 'hooks' } }]);
    expect(await wrote('DELETE', `${instance}/keys/${key.json.id}`)).toMatchObject({
      action: 'instance-key.delete',
      before: { name: 'hooks', instanceId: made.json.id },
    });

    const deviceId = crypto.randomUUID();
    const device = `${at}/devices/${deviceId}`;
    const place = { instanceId: made.json.id, jamfComputerId: '7' };
    expect(
      await wrote('PUT', device, { ...place, pinned: true, reason: 'the Mac of the board' }),
    ).toMatchObject({
      action: 'device.place',
      objectId: deviceId,
      before: null,
      after: { instanceId: made.json.id, jamfComputerId: '7', pinned: true, rule: 'pinned' },
      reason: 'the Mac of the board',
    });
    expect(await wrote('PUT', device, { ...place, jamfComputerId: '8', pinned: true })).toMatchObject({
      before: { jamfComputerId: '7' },
      after: { jamfComputerId: '8' },
    });
    const rolledBack = await wrote('POST', `${at}/routes/rollback`, { toVersion: 1, reason: 'a mistake' });
    expect(rolledBack).toMatchObject({
      action: 'routes.rollback',
      after: { toVersion: 1, placed: 1, ended: 0 },
      reason: 'a mistake',
    });
    expect(await wrote('POST', `${at}/routes/rebuild`)).toMatchObject({
      action: 'routes.rebuild',
      after: { instances: 1 },
    });
    expect(await wrote('POST', `${device}/refresh`)).toMatchObject({
      action: 'device.refresh',
      objectId: deviceId,
      after: {
        computers: [{ instanceId: made.json.id, jamfComputerId: '7' }],
        reportTriedAgain: false,
      },
    });
    expect(await wrote('DELETE', device)).toMatchObject({
      action: 'device.delete',
      before: { jamfComputerId: '7', pinned: true },
      after: null,
    });
    const removed = await write('DELETE', instance);
    expect(removed.entries.map(({ action }) => action)).toEqual(['instance.delete', 'instance.change']);
    expect(removed.entries[0]).toMatchObject({ before: { name: 'renamed', devices: 0 } });
    expect(removed.entries[1]).toMatchObject({ before: { enabled: true }, after: { enabled: false } });
    expect(await wrote('DELETE', at)).toMatchObject({
      action: 'tenant.delete',
      before: { displayName: 'Renamed', devices: 0, instances: 0 },
      after: null,
    });
    // As a deployment that the tenant never moved to or from, with a chain of its own.
    await scene.database.sql`delete from placements where tenant_id = ${third}`;
    const arrived = await call(`${scene.gateway.admin}/api/v1${at}/move-in`, {
      method: 'POST',
      ca: scene.trust,
      headers: {
        authorization: `Bearer ${bootstrapKey}`,
        'content-type': 'application/octet-stream',
        'x-request-id': 'an-arrival',
        'x-espalier-file-key': fileKey,
      },
      body: file.text,
    });
    expect(arrived.json, arrived.text).toMatchObject({ generation: 1, already: false });
    walked.add('moveIn');
    expect(await of('requestId==an-arrival')).toMatchObject([{ action: 'tenant.move-in' }]);
    expect((await wrote('DELETE', at)).action).toBe('tenant.delete');
    expect(JSON.stringify(await of(`tenantId==${third}`))).not.toContain(secret);
  });

  it('records moves, reports and keys, and what is done to a connection that works', async () => {
    const at = `/tenants/${tenantId}`;
    const [one, two] = ['one', 'two'].map((name) => instances.get(name)!.id);
    const truth = scene.world.fleet.truth().filter(({ instance }) => instance === 'one');
    for (const { jamfComputerId } of truth) await sendWebhook(scene, instances.get('one')!, jamfComputerId);
    await eventually(async () => {
      const { json } = await scene.api('GET', `/reports?filter=tenantId==${tenantId};state==verified`);
      expect(json.totalCount).toBe(truth.length);
    });
    const planned = await write('POST', `${at}/moves`, {
      from: one,
      to: two,
      shadow: false,
      unclaimed: true,
      reason: 'the site closes',
    });
    expect(planned.entries).toMatchObject([
      { action: 'move.create', after: { from: one, to: two, state: 'planned' }, reason: 'the site closes' },
    ]);
    const move = `${at}/moves/${planned.json.id}`;
    expect(await wrote('POST', `${move}/pause`, {})).toMatchObject({
      action: 'move.pause',
      before: { paused: false },
      after: { paused: true },
    });
    expect(await wrote('POST', `${move}/advance`, { percent: 100, force: true })).toMatchObject({
      action: 'move.advance',
      before: { state: 'planned', percent: 0 },
    });
    expect(await wrote('POST', `${move}/rollback`, { reason: 'not yet' })).toMatchObject({
      action: 'move.rollback',
      after: { state: 'rolled-back' },
      reason: 'not yet',
    });
    const filter = `tenantId==${tenantId};state==verified`;
    // Whoever may see this tenant alone must not learn of the other by it.
    const both = `${filter};tenantId=in=(${otherId.toUpperCase()},"${tenantId}")`;
    expect(await wrote('POST', '/reports/replay', { filter: both })).toMatchObject({
      action: 'reports.replay',
      tenantId,
      after: { filter: `${filter};tenantId=in=(another-tenant,"${tenantId}")`, reports: truth.length },
    });
    expect(await wrote('POST', `${at}/resync`)).toMatchObject({ action: 'connection.resync' });
    expect(await wrote('POST', `${at}/disable`)).toMatchObject({
      action: 'connection.disable',
      before: { connectionState: 'connected' },
      after: { connectionState: 'disabled' },
    });
    expect(await wrote('POST', `${at}/enable`)).toMatchObject({
      action: 'connection.enable',
      before: { connectionState: 'disabled' },
      after: { connectionState: 'connected', ok: true },
    });
    const key = await write('POST', '/keys', { name: 'short', role: 'viewer' });
    expect(key.entries).toMatchObject([
      { action: 'key.create', tenantId: null, after: { role: 'viewer', tenants: null } },
    ]);
    expect(await wrote('DELETE', `/keys/${key.json.id}`)).toMatchObject({ action: 'key.delete' });
    const left = await wrote('POST', `/tenants/${otherId}/disconnect`, { retract: false });
    expect(left).toMatchObject({
      action: 'connection.disconnect',
      before: { connectionState: 'connected' },
      after: { connectionState: 'disconnected', retract: false, retracting: 0 },
    });
    for (const text of [key.json.key, ...[...instances.values()].map((added) => added.key)]) {
      const [found] = await scene.database.sql`
        select count(*)::int as count from history where concat(before, after) like ${`%${text}%`}`;
      expect(found!.count).toBe(0);
    }
  });

  it('an import, by one entry that says how the file was taken', async () => {
    const at = `/tenants/${otherId}`;
    const { json } = await scene.api('POST', `${at}/instances`, instanceBody('many'));
    manyAt = json.id;
    const lines = Array.from({ length: manyDevices }, (_, number) =>
      JSON.stringify({ deviceId: crypto.randomUUID(), instanceId: manyAt, jamfComputerId: 9_000 + number }),
    );
    const imported = await call(`${scene.gateway.admin}/api/v1${at}/devices/import?mode=atomic`, {
      method: 'POST',
      ca: scene.trust,
      headers: {
        authorization: `Bearer ${bootstrapKey}`,
        'content-type': 'application/x-ndjson',
        'x-request-id': 'an-import',
        'x-espalier-reason': 'CHG-12',
      },
      body: `${lines.join('\n')}\n`,
    });
    expect(imported.json, imported.text).toMatchObject({ accepted: manyDevices });
    walked.add('importDevices');
    expect(await of('requestId==an-import')).toMatchObject([
      {
        action: 'routes.import',
        after: { mode: 'atomic', accepted: manyDevices, rejected: 0 },
        reason: 'CHG-12',
      },
    ]);
  });

  it('what waits for a second operator, who decided, and both of them for what is carried out', async () => {
    const second = await newKey('second', 'admin', [otherId]);
    const remove = `/tenants/${otherId}/instances/${manyAt}?force=true`;
    const decide = async (id: string, verb: string) => {
      const answer = await scene.api('POST', `/approvals/${id}/${verb}`, { reason: 'agreed' }, second.key);
      expect(answer.status, answer.text).toBe(200);
      walked.add(`${verb}Approval`);
    };
    const first = await write('DELETE', remove);
    expect([first.status, first.entries.map(({ action }) => action)]).toEqual([202, ['approval.request']]);
    await decide(first.json.approvalId, 'reject');
    const again = await write('DELETE', remove);
    await decide(again.json.approvalId, 'approve');
    const found = await of(`tenantId==${otherId};action==approval.*`);
    expect(found.map(({ action, author }) => [action, author])).toEqual([
      ['approval.carry-out', 'key second'],
      ['approval.approve', 'key second'],
      ['approval.request', 'bootstrap'],
      ['approval.reject', 'key second'],
      ['approval.request', 'bootstrap'],
    ]);
    const [carriedOut] = await of(`tenantId==${otherId};action==instance.delete`);
    expect(carriedOut).toMatchObject({ author: 'bootstrap', approvedBy: 'key second' });
  });

  it('an operator of Entra who is bound to tenants, and no more', async () => {
    const who = `/operators/${crypto.randomUUID()}:${crypto.randomUUID()}`;
    expect(await wrote('PUT', who, { tenants: [tenantId] })).toMatchObject({
      action: 'operator.assign',
      tenantId: null,
      before: null,
      after: { tenants: [tenantId] },
    });
    expect(await wrote('DELETE', who)).toMatchObject({
      action: 'operator.unassign',
      before: { tenants: [tenantId] },
      after: null,
    });
  });

  it('a session that is ended, with whose it was', async () => {
    await visitConsole(scene);
    const [signedIn] = (await scene.api('GET', '/sessions')).json.results;
    expect(await wrote('DELETE', `/sessions/${signedIn.id}`)).toMatchObject({
      action: 'session.end',
      author: 'bootstrap',
      objectId: signedIn.id,
      before: { role: 'admin' },
    });
  });

  it('how a mass change was decided', async () => {
    for (const verb of ['release', 'refuse']) {
      const holdId = await addHold(scene.database.sql, otherId);
      expect(await wrote('POST', `/tenants/${otherId}/holds/${holdId}/${verb}`)).toMatchObject({
        action: `hold.${verb}`,
        objectId: holdId,
      });
    }
  });

  it('targets of alerts, without their address and secret', async () => {
    const given = { name: 'on call', url: `https://alerts.invalid/${secret}`, tenants: [tenantId] };
    const { entries, json } = await write('POST', '/alerts/targets', given);
    const path = `/alerts/targets/${json.id}`;
    const others = [
      await wrote('PATCH', path, { enabled: false }),
      await wrote('POST', `${path}/test`),
      await wrote('DELETE', path),
    ];
    expect([...entries, ...others].map(({ action, objectId }) => [action, objectId])).toEqual(
      ['create', 'change', 'test', 'delete'].map((verb) => [`alert-target.${verb}`, json.id]),
    );
    expect(JSON.stringify([entries, others])).not.toContain(secret);
  });

  it('that a person was erased, but not who', async () => {
    const deviceId = crypto.randomUUID();
    await scene.database.sql`
      insert into directory_devices (tenant_id, object_id, device_id, enabled)
      values (${tenantId}, ${crypto.randomUUID()}, ${deviceId}, true)`;
    const entry = await wrote('POST', `/tenants/${tenantId}/erasures`, { deviceIds: [deviceId] });
    expect(entry.action).toBe('person.erase');
    expect(JSON.stringify(entry)).not.toContain(deviceId);
  });

  it('has walked every write of the OpenAPI document, and none left no trace', () => {
    expect(operations.map(({ id }) => id).filter((id) => !walked.has(id))).toEqual([]);
    expect(scene.gateway.output()).not.toContain('history.missing');
  });

  it('records nothing of dry runs, refusals and reads', async () => {
    const before = await reader.operatorRows();
    const at = `/tenants/${tenantId}`;
    const [one, two] = ['one', 'two'].map((name) => instances.get(name)!.id);
    const asked: [string, string, unknown?][] = [
      ['POST', `${at}/moves?dry-run=true`, { from: two, to: one }],
      ['POST', `${at}/migrate`, { mode: 'conditional-access' }],
      ['POST', `${at}/disconnect?dry-run=true`, {}],
      ['POST', `${at}/routes/rollback?dry-run=true`, { toVersion: 0, reason: 'x' }],
      ['POST', '/reports/replay?dry-run=true', { filter: `tenantId==${tenantId}` }],
      ['DELETE', `${at}/instances/${one}?dry-run=true`],
      ['DELETE', `${at}?dry-run=true`],
      ['GET', `${at}/permissions`],
      ['GET', `${at}/status`],
    ];
    for (const [method, path, body] of asked) {
      const answer = await send(method, path, body);
      expect(answer.status, `${method} ${path}: ${answer.text}`).toBeLessThan(300);
    }
    expect((await send('DELETE', `${at}/instances/${one}`)).status).toBe(409);
    expect((await send('PATCH', at, { displayName: '' })).status).toBe(400);
    expect((await send('POST', '/tenants', { tenantId, displayName: 'again' })).status).toBe(409);
    expect((await send('PATCH', at, { displayName: 'x' }, { 'if-match': '"0"' })).status).toBe(412);
    const replayed = await send('POST', '/reports/replay', { filter: `deviceId==${crypto.randomUUID()}` });
    expect(replayed.json.replayed).toBe(0);
    expect(await reader.operatorRows()).toBe(before);
  });

  it('takes the reason of a write from a header, and refuses one that is no line', async () => {
    const at = `/tenants/${otherId}`;
    const said = async (reason: string) =>
      send(
        'PATCH',
        at,
        { displayName: 'Fabrikam' },
        { 'x-espalier-reason': reason, 'x-request-id': 'reason-1' },
      );
    // Node.js writes head and body of a request together, in UTF-8.
    for (const reason of ['CHG-4711, asked for by the customer', 'größer']) {
      const answer = await said(reason);
      expect(answer.status, answer.text).toBe(200);
    }
    const entries = await of('requestId==reason-1');
    expect(entries.map(({ reason }) => reason)).toEqual(['größer', 'CHG-4711, asked for by the customer']);
    for (const wrong of ['x'.repeat(501), 'a\tb']) {
      const answer = await said(wrong);
      expect(answer.status).toBe(400);
      expect(answer.json.errors[0].field).toBe('X-Espalier-Reason');
    }
    const placed = await send(
      'PUT',
      `${at}/devices/${crypto.randomUUID()}`,
      {
        instanceId: (await scene.api('GET', `${at}/instances`)).json.results[0].id,
        jamfComputerId: '99',
        reason: 'of the body',
      },
      { 'x-espalier-reason': 'of the header', 'x-request-id': 'reason-2' },
    );
    expect(placed.status).toBe(201);
    expect(await of('requestId==reason-2')).toMatchObject([{ reason: 'of the body' }]);
  });

  it('pages, sorts and filters; an unknown field or a filter that cannot be read is refused', async () => {
    const all = await scene.api('GET', '/history?page-size=2000');
    const times = all.json.results.map((entry: { recordedAt: string }) => entry.recordedAt);
    expect(times).toEqual([...times].sort().reverse());
    const second = await scene.api('GET', '/history?page=1&page-size=3');
    expect(second.json.totalCount).toBe(all.json.totalCount);
    expect(second.json.results).toEqual(all.json.results.slice(3, 6));
    const oldest = await history({ sort: 'recordedAt:asc', 'page-size': '1' });
    expect(oldest[0]?.id).toBe(all.json.results.at(-1).id);
    const device = all.json.results.find((entry: Entry) => entry.action === 'device.place');
    const filters: [string, (entry: Entry & { recordedAt: string }) => boolean][] = [
      [`tenantId==${otherId}`, (entry) => entry.tenantId === otherId],
      ['authorKind==gateway', (entry) => entry.authorKind === 'gateway'],
      ['author==boot*', (entry) => entry.author === 'bootstrap'],
      ['action==connection.*', (entry) => entry.action.startsWith('connection.')],
      ['objectKind=in=(key,move)', (entry) => ['key', 'move'].includes(entry.objectKind)],
      [`objectId==${device.objectId}`, (entry) => entry.objectId === device.objectId],
      [`requestId==${device.requestId}`, (entry) => entry.requestId === device.requestId],
      [`recordedAt=gt=${times[5]}`, (entry) => entry.recordedAt > times[5]],
    ];
    for (const [filter, holds] of filters) {
      const found = await history({ filter, 'page-size': '2000' });
      expect(found.length, filter).toBeGreaterThan(0);
      expect(found, filter).toEqual(all.json.results.filter(holds));
    }
    expect((await scene.api('GET', '/history?filter=after==x')).status).toBe(400);
    expect((await scene.api('GET', '/history?sort=hash:asc')).status).toBe(400);
    expect((await scene.api('GET', '/history?tenant=x')).status).toBe(400);
  });

  it('shows a bound operator the chains of its tenants only, also of one that is deleted', async () => {
    const deleted = scene.world.tenants[2]!.tenantId;
    const bound = await newKey('bound', 'viewer', [otherId, deleted]);
    const seen = await history({ 'page-size': '2000' }, bound.key);
    expect(new Set(seen.map((entry) => entry.tenantId))).toEqual(new Set([otherId, deleted]));
    expect(seen.some(({ action }) => action === 'tenant.delete')).toBe(true);
    expect(await of(`tenantId==${tenantId}`, bound.key)).toEqual([]);
    const text = await call(`${scene.gateway.admin}/api/v1/history`, {
      ca: scene.trust,
      headers: { authorization: `Bearer ${bound.key}`, accept: 'text/plain' },
    });
    expect(text.text).not.toContain(tenantId);
    expect(text.text).toContain(deleted);
    expect((await verify(bound.key)).entries).toBe(seen.length);
    const author = await newKey('author', 'operator');
    expect((await scene.api('POST', `/tenants/${otherId}/pause`, undefined, author.key)).status).toBe(200);
    expect(await of(`authorId==${author.id}`)).toMatchObject([
      { authorKind: 'key', author: 'key author', action: 'connection.pause' },
    ]);
    expect((await scene.api('POST', `/tenants/${otherId}/resume`, undefined, author.key)).status).toBe(200);
  });

  it('gives lines of JAMFChangeManagement.log as text, oldest first, over the whole filter', async () => {
    const text = (query: string, accept: string) =>
      call(`${scene.gateway.admin}/api/v1/history?${query}`, {
        ca: scene.trust,
        headers: { authorization: `Bearer ${bootstrapKey}`, accept },
      });
    const filter = encodeURIComponent(`tenantId==${tenantId};objectKind==connection;authorKind==bootstrap`);
    const answer = await text(`filter=${filter}`, 'text/plain');
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    const heads = answer.text.split('\n').filter((line) => line.startsWith('[CHANGEMANAGEMENT]'));
    const head =
      /^\[CHANGEMANAGEMENT\] [\d-]{10}T[\d:]{8},\d{3} \[INFO \] \[espalier {3}\] \[file {21}\] - \[bootstrap \(ID: 0\)\] \[UPDATE\] \[Conditional Access\] \[[\d-]{10}T[\d:.]{12}\+0000\]$/;
    expect(heads.length).toBeGreaterThan(3);
    for (const line of heads) expect(line).toMatch(head);
    expect([...heads].sort()).toEqual(heads);
    expect(answer.text).toContain('consented -> connected');
    expect(answer.text.match(/\tEvent.*/g)?.[0]).toContain('connection.connect');
    const before = await reader.rows();
    const all = await text('', 'text/plain;q=0.9, application/json;q=0.1');
    const listed = all.text.split('\n').filter((line) => line.startsWith('[CHANGEM')).length;
    // The gateway may add an entry of its own meanwhile.
    expect(listed).toBeGreaterThanOrEqual(before);
    expect(listed).toBeLessThanOrEqual(await reader.rows());
    expect(all.text).toMatch(/\[key author \(ID: 0\)\] \[UPDATE\]/);
    expect(all.text).toMatch(/\[READ\] \[Jamf Pro Instance\]/);
    expect(all.text).not.toContain(secret);
    for (const accept of ['application/json', '*/*', 'application/xml', 'text/plain;q=0, */*'])
      expect((await text('page-size=1', accept)).json.results, accept).toHaveLength(1);
    expect((await text('page-size=1', 'text/plain')).json.errors[0].field).toBe('page-size');
    expect((await text('filter=x', 'text/plain')).status).toBe(400);
  });

  it('streams more entries than one page, each once', async () => {
    const { sql } = scene.database;
    const copied = crypto.randomUUID();
    await sql`
      insert into history (tenant_id, sequence, recorded_at, author_kind, author, action, object_kind, object_id, previous_hash, hash)
      select ${copied}, n, date_trunc('milliseconds', now()) + (n / 7) * interval '1 millisecond', 'gateway', 'espalier', 'connection.hold', 'connection',
        n::text, '', '' from generate_series(1, 2500) n`;
    const answer = await send('GET', `/history?filter=tenantId==${copied}`, undefined, {
      accept: 'text/plain',
    });
    const ids = [...answer.text.matchAll(/\tID +(\d+)/g)].map(([, id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: 2_500 }, (_, at) => at + 1));
    await sql`delete from history where tenant_id = ${copied}`;
  });

  it('records what Intune, Entra and the end of the last instance do to a connection', async () => {
    const at = `/tenants/${tenantId}`;
    const newest = async (action: string) => (await of(`tenantId==${tenantId};action==${action}`))[0];
    const cloud = scene.world.cloud('public');

    cloud.settings.tenant(tenantId).intune.resyncTimestamp = new Date(Date.now() + 1_000).toISOString();
    await eventually(async () =>
      expect(await newest('connection.resync')).toMatchObject({
        authorKind: 'gateway',
        after: { resyncTimestamp: expect.any(String), reports: expect.any(Number) },
      }),
    );

    cloud.terminate(tenantId);
    await eventually(async () =>
      expect(await newest('connection.terminated')).toMatchObject({
        authorKind: 'gateway',
        author: 'espalier',
        requestId: null,
        before: { connectionState: 'connected' },
        after: { connectionState: 'terminated', devicesRemovedAt: expect.any(String) },
      }),
    );
    expect((await scene.api('POST', `${at}/confirm`)).json.ok).toBe(true);

    const connector = scene.world.applications.get('public')!.connector.clientId;
    const principals = scene.world.directory.tenant(tenantId)!.servicePrincipals;
    const principal = principals.get(connector)!;
    principals.delete(connector);
    // The gateway's token outlives the consent, as at Microsoft; a restart ends it at once.
    await scene.restart('stop');
    await eventually(async () =>
      expect(await newest('connection.hold')).toMatchObject({
        authorKind: 'gateway',
        before: { hold: null },
        after: { hold: { cause: 'consent-required' } },
      }),
    );
    principals.set(connector, principal);
    await eventually(async () =>
      expect(await newest('connection.release')).toMatchObject({
        authorKind: 'gateway',
        before: { hold: { cause: 'consent-required' } },
        after: { hold: null },
      }),
    );
    // However many reports and heartbeats met it.
    const held = (await of(`tenantId==${tenantId};action==connection.hold`)).map(({ after }) => after?.hold);
    expect(held.filter((hold) => (hold as { cause: string }).cause === 'consent-required')).toHaveLength(1);

    for (const { id } of instances.values()) {
      const answer = await scene.api('DELETE', `${at}/instances/${id}?force=true`);
      expect(answer.status, answer.text).toBe(200);
    }
    await eventually(async () => {
      expect(await newest('connection.last-instance-gone')).toMatchObject({
        authorKind: 'gateway',
        before: { connectionState: 'connected' },
        after: { connectionState: 'consented' },
      });
      expect(await newest('connection.deprovision')).toMatchObject({ authorKind: 'gateway' });
    });
  });

  it('records the retraction that a disconnect waits for, and its end', async () => {
    const at = `/tenants/${tenantId}`;
    const actions = async () => (await of(`tenantId==${tenantId}`)).map(({ action }) => action);
    const { id, key } = await addInstance(scene, tenantId, 'one', { name: 'one again' });
    expect((await scene.api('POST', `${at}/confirm`)).json.ok).toBe(true);
    for (const { instance, jamfComputerId } of scene.world.fleet.truth())
      if (instance === 'one') await sendWebhook(scene, { id, key }, jamfComputerId);
    await eventually(async () => {
      const { json } = await scene.api('GET', `/reports?filter=tenantId==${tenantId};state==verified`);
      expect(json.totalCount).toBe(3);
    });
    const answer = await scene.api('POST', `${at}/disconnect`, { retract: true });
    expect(answer.json.connectionState).toBe('disconnecting');
    await eventually(async () => expect(await actions()).toContain('connection.disconnected'));
    expect(
      await of(`tenantId==${tenantId};action=in=(connection.disconnect,connection.disconnected)`),
    ).toMatchObject([
      { authorKind: 'gateway', before: { connectionState: 'disconnecting' } },
      { authorKind: 'bootstrap', after: { connectionState: 'disconnecting', retract: true, retracting: 3 } },
    ]);
  });

  it('is what docs/history.md says: every action that is listed was seen here, and no other', async () => {
    const page = readFileSync(new URL('../../docs/history.md', import.meta.url), 'utf8');
    const listed = page
      .slice(page.indexOf('| Action | By | When |'), page.indexOf('### Written beside the change'))
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .flatMap(([, actions = '', by = '']) =>
        [...actions.matchAll(/`([^`]+)`/g)].map(([, action]) => ({ action: action!, by: by.split(', ') })),
      );
    const seen = await scene.database.sql<{ action: string; by: string }[]>`
      select distinct action, case author_kind when 'gateway' then 'gateway' else 'operator' end as by from history`;
    const unlisted = seen.filter(
      (one) => !listed.some(({ action, by }) => action === one.action && by.includes(one.by)),
    );
    expect(unlisted).toEqual([]);
    expect(listed.filter(({ action }) => !seen.some((one) => one.action === action))).toEqual([]);
    const refused = await scene.api('GET', '/history?filter=nothing==1');
    const fields = /fields: ([\w, ]+)\./.exec(refused.json.errors[0].description)?.[1]?.split(', ');
    expect(page).toContain(`${fields!.map((field) => `\`${field}\``).join(', ')};`);
  });
});
