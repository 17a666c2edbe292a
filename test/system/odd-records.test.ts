import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseComputer } from '../../src/jamf/inventory.ts';
import { eventually } from '../harness/eventually.ts';
import { fullRecord } from '../harness/full-record.ts';
import { type Scene, startScene } from '../harness/gateway.ts';
import { oddForms, readPaths, variantOf } from '../harness/odd-records.ts';
import { type OwnInstance, sendJson, startOwnInstance } from '../harness/own-instance.ts';

/** Each member that is read, in forms that it should not have, pulled from an instance and pushed by one. */

const forms = oddForms.filter(([name]) =>
  ['null', 'absent', 'empty', 'text', 'number', 'object', 'huge text'].includes(name),
);
/** Without these there is no Mac or no registration. */
const required = [
  'id',
  'localUserAccounts',
  'localUserAccounts.0',
  'localUserAccounts.0.computerAzureActiveDirectoryId',
];
const paths = readPaths(fullRecord(), parseComputer);

interface OddComputer {
  readonly id: number;
  readonly path: string;
  readonly form: string;
  readonly deviceId: string;
  readonly record: unknown;
}

const oddComputers = (): OddComputer[] =>
  paths
    .filter((path) => !required.includes(path))
    .flatMap((path) => forms.map(([form, value]) => ({ path, form, value })))
    .map(({ form, path, value }, at) => {
      const deviceId = crypto.randomUUID();
      const record = variantOf(fullRecord(String(at + 1), deviceId), path, value);
      return { id: at + 1, path, form, deviceId, record };
    });

describe('records with an odd member', () => {
  let scene: Scene;
  let tenantId: string;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
    });
    [{ tenantId }] = scene.world.tenants as unknown as [{ tenantId: string }];
    await scene.api('POST', '/tenants', { tenantId, cloud: 'public', displayName: 'odd' });
  });
  afterAll(() => scene?.close());

  const keyOf = async (instance: OwnInstance): Promise<string> =>
    (await scene.api('POST', `/tenants/${tenantId}/instances/${instance.id}/keys`, {})).json.key;
  const send = async (instance: OwnInstance, path: string, body: string | Uint8Array, headers = {}) =>
    scene.data(`/jamf/${instance.id}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': await keyOf(instance), ...headers },
      body,
    });
  /** Answers computers' records, and for whatever else an empty list. */
  const serve = (instance: OwnInstance, recordOf: (id: number) => unknown): void => {
    instance.answer = ({ url }, response) => {
      const id = /computers-inventory-detail\/(\d+)/.exec(url)?.[1];
      const record = id === undefined ? [] : recordOf(Number(id));
      if (record === undefined) sendJson(response, 500, { httpStatus: 500, errors: [] });
      else sendJson(response, 200, record);
    };
  };
  const routed = async (computers: readonly OddComputer[], instance: OwnInstance): Promise<void> => {
    await eventually(async () => {
      const rows = await scene.database.sql<{ deviceId: string }[]>`
        select device_id as "deviceId" from routes where instance_id = ${instance.id}`;
      const known = new Set(rows.map(({ deviceId }) => deviceId));
      const lost = computers.filter(({ deviceId }) => !known.has(deviceId));
      expect(lost.map(({ form, path }) => `${path} as ${form}`)).toEqual([]);
    }, 60_000);
  };

  it('are taken when the instance is asked, and each odd member is told', async () => {
    const instance = await startOwnInstance(scene, tenantId, 'odd-pulled');
    const computers = oddComputers();
    serve(instance, (id) => computers[id - 1]?.record);
    const event = { computer: true, groupAddedDevicesIds: computers.map(({ id }) => id) };
    const webhook = { webhook: { webhookEvent: 'SmartGroupComputerMembershipChange' }, event };
    expect((await send(instance, 'webhooks', JSON.stringify(webhook))).json).toEqual({ status: 'accepted' });
    await routed(computers, instance);
    const odd = computers.find(({ form, path }) => path === 'general.reportDate' && form === 'text');
    const lines = scene.gateway
      .output()
      .split('\n')
      .filter((line) => line.includes('"computer.odd-members"'));
    const told = lines.map((line) => JSON.parse(line)).find((line) => line.jamfComputerId === odd?.id);
    expect(told).toMatchObject({ level: 'warn', instanceId: instance.id });
    expect(told.members).toContain('general.reportDate must be');
    const timeline = await scene.api('GET', `/tenants/${tenantId}/devices/${odd?.deviceId}/timeline`);
    expect(timeline.text).toContain('without: general.reportDate must be');
    await instance.close();
  });

  it('are taken when they are pushed by an instance that answers nothing', async () => {
    const instance = await startOwnInstance(scene, tenantId, 'odd-pushed');
    serve(instance, () => undefined);
    const computers = oddComputers();
    const body = gzipSync(JSON.stringify(computers.map(({ record }) => record)));
    const answer = await send(instance, 'inventory', body, { 'content-encoding': 'gzip' });
    expect([answer.status, answer.json]).toEqual([202, { accepted: computers.length, rejected: [] }]);
    await routed(computers, instance);
    await instance.close();
  });

  it('say which computer and which member where a required one cannot be read', async () => {
    const instance = await startOwnInstance(scene, tenantId, 'odd-required');
    serve(instance, (id) => ({ ...fullRecord(String(id)), localUserAccounts: 'odd' }));
    const webhook = { webhook: { webhookEvent: 'ComputerAdded' }, event: { jssID: 4 } };
    await send(instance, 'webhooks', JSON.stringify(webhook));
    await eventually(async () => {
      const { json } = await scene.api('GET', `/tenants/${tenantId}/instances/${instance.id}`);
      expect(json.lastError).toContain('computer 4: ');
      expect(json.lastError).toContain('localUserAccounts must be a list');
    });
    await instance.close();
  });

  it('end no registration whose account cannot be read', async () => {
    const instance = await startOwnInstance(scene, tenantId, 'odd-account');
    const ids = [crypto.randomUUID(), crypto.randomUUID()];
    const accountOf = (deviceId: unknown) => ({
      ...fullRecord().localUserAccounts[0],
      computerAzureActiveDirectoryId: deviceId,
    });
    let accounts: unknown[] = ids.map(accountOf);
    let reportDate = '2026-11-20T08:00:00Z';
    serve(instance, (id) => {
      const record = fullRecord(String(id));
      return { ...record, general: { ...record.general, reportDate }, localUserAccounts: accounts };
    });
    const webhook = { webhook: { webhookEvent: 'ComputerAdded' }, event: { jssID: 90_001 } };
    const devices = async () =>
      scene.database.sql<{ deviceId: string; userId: string | null }[]>`
        select device_id as "deviceId", report_at as "reportAt" from claims
        where instance_id = ${instance.id} and jamf_computer_id = 90001 order by report_at`;
    await send(instance, 'webhooks', JSON.stringify(webhook));
    await eventually(async () => expect(await devices()).toHaveLength(2));
    accounts = [accountOf(12), accountOf(ids[1])];
    reportDate = '2026-11-21T08:00:00Z';
    await send(instance, 'webhooks', JSON.stringify(webhook));
    await eventually(async () => {
      const claims = await devices();
      expect(claims.at(-1)).toMatchObject({ deviceId: ids[1], reportAt: new Date(reportDate) });
      expect(claims).toHaveLength(2);
    });
    await instance.close();
  });
});
