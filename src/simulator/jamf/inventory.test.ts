import { afterAll, beforeAll, expect, test } from 'vitest';
import { createJamfFixture, type JamfFixture } from '../../../test/harness/simulated-jamf.ts';
import type { JamfInstance } from './instance.ts';

let world: JamfFixture;
let berlin: JamfInstance;
let paris: JamfInstance;
let token: string;

beforeAll(async () => {
  world = await createJamfFixture();
  berlin = await world.start('berlin', { tokenLifetimeSeconds: 3600 });
  paris = await world.start('paris', { version: '11.21.0-t1758000000000' });
  world.fleet.addMacs({ tenantId: world.tenantId, instance: 'berlin', count: 25 });
  world.fleet.addMacs({ tenantId: world.tenantId, instance: 'paris', count: 3 });
  token = await world.token(berlin);
});
afterAll(() => world.close());

interface Wire {
  readonly id: string;
  readonly general: Record<string, unknown>;
  readonly [section: string]: unknown;
}
interface Page {
  readonly totalCount: number;
  readonly results: readonly Wire[];
}

const list = async (query: string, version = 'v4') => {
  const answer = await world.call(berlin, `/api/${version}/computers-inventory?${query}`, { token });
  expect(answer.status).toBe(200);
  const page: Page = answer.json();
  return page;
};
const filtered = (filter: string, rest = '') => list(`filter=${encodeURIComponent(filter)}&${rest}`);

test('ids collide between instances', async () => {
  const detail = async (instance: JamfInstance, own: string): Promise<Wire> =>
    (await world.call(instance, '/api/v1/computers-inventory-detail/1', { token: own })).json();
  const here = await detail(berlin, token);
  const there = await detail(paris, await world.token(paris));
  expect([here.id, there.id]).toEqual(['1', '1']);
  expect(here.udid).not.toBe(there.udid);
});

test('sections not asked for are present and null, and the JSON is laid out as Jackson does', async () => {
  const answer = await world.call(berlin, '/api/v4/computers-inventory/1?section=HARDWARE', { token });
  const computer: Wire = answer.json();
  expect(Object.keys(computer)).toHaveLength(24);
  expect(computer.general).toBeNull();
  expect(computer.hardware).toMatchObject({ busSpeedMhz: 0, extensionAttributes: [] });
  expect(answer.text).toContain('"id" : "1"');
  expect(answer.text).toContain('"extensionAttributes" : [ ]');
});

test('v4 and older versions name the last contact differently', async () => {
  const [v4] = (await list('section=GENERAL')).results;
  expect(v4?.general).toMatchObject({ site: { id: '-1', name: 'None' } });
  expect(v4?.general).toHaveProperty('lastCheckIn');
  expect(v4?.general).toHaveProperty('lastContact');
  expect(v4?.general).not.toHaveProperty('lastContactTime');
  expect(v4?.general).not.toHaveProperty('lastReportedIp');
  expect(v4).not.toHaveProperty('plugins');
  const [v1] = (await list('section=GENERAL&section=PLUGINS', 'v1')).results;
  expect(v1?.general).toHaveProperty('lastContactTime');
  expect(v1?.general).toHaveProperty('lastReportedIp');
  expect(v1?.general).not.toHaveProperty('lastCheckIn');
  expect(v1?.plugins).toEqual([]);
  const apps = async (version: string) =>
    (await list('section=APPLICATIONS&page-size=1', version)).results[0]?.applications;
  expect(await apps('v3')).toMatchObject([{ cfBundleVersion: '26.1' }, {}, {}]);
  expect(JSON.stringify(await apps('v2'))).not.toContain('cfBundle');
});

test('older servers answer 404 on newer versions', async () => {
  const parisToken = await world.token(paris);
  const status = async (version: string) =>
    (await world.call(paris, `/api/${version}/computers-inventory`, { token: parisToken })).status;
  expect(await Promise.all(['v1', 'v2', 'v3', 'v4', 'v5'].map(status))).toEqual([200, 200, 404, 404, 404]);
});

test('local accounts carry the Entra ids and unknown sizes', async () => {
  const [mac] = world.fleet.macs();
  const [record] = (
    await filtered(`hardware.serialNumber==${mac?.facts.serialNumber}`, 'section=LOCAL_USER_ACCOUNTS')
  ).results;
  expect(record?.localUserAccounts).toMatchObject([
    {
      computerAzureActiveDirectoryId: mac?.facts.accounts[0]?.entraDeviceId,
      userAzureActiveDirectoryId: mac?.facts.accounts[0]?.entraUserId,
      azureActiveDirectoryId: 'ACTIVATED',
      homeDirectorySizeMb: -1,
    },
  ]);
});

test('filters: comparison, and, or, parentheses, lists and wildcards', async () => {
  const ids = async (filter: string) =>
    (await filtered(filter, 'sort=id:asc')).results.map((computer) => Number(computer.id));
  expect(await ids('id>23')).toEqual([24, 25]);
  expect(await ids('id=in=(3,1)')).toEqual([1, 3]);
  expect(await ids('(id<2,id==5);general.platform==Mac')).toEqual([1, 5]);
  expect(await ids('id=le=2 or id=ge=25 and general.supervised==true')).toEqual([1, 2, 25]);
  expect(await ids('general.name=="*’s mac*" and id<3')).toEqual([1, 2]);
  expect(await ids('id=out=(1) and id!=2 and id<4')).toEqual([3]);
  expect(await ids('general.reportDate>"2999-01-01T00:00:00Z"')).toEqual([]);
});

test.each([
  ['filter=general.nope==1', 'general.nope'],
  ['filter=general.lastContactTime>2020-01-01', 'general.lastContactTime'],
  [
    'filter=localUserAccounts.computerAzureActiveDirectoryId==x',
    'localUserAccounts.computerAzureActiveDirectoryId',
  ],
  ['filter=general.reportDate>yesterday', 'general.reportDate'],
  ['filter=id==', 'filter'],
  ['filter=(id==1', 'filter'],
  ['sort=general.nope:asc', 'general.nope'],
  ['section=PLUGINS', 'section'],
  ['page-size=0', 'page-size'],
  ['page=-1', 'page'],
])('400 for %s', async (query, field) => {
  const answer = await world.call(berlin, `/api/v4/computers-inventory?${query}`, { token });
  expect(answer.status).toBe(400);
  expect(answer.json()).toMatchObject({ httpStatus: 400, errors: [{ field }] });
});

test('pages follow each other in the order of the report date', async () => {
  const fifth = world.fleet.findByComputer('berlin', 5);
  if (fifth) world.fleet.updateInventory(fifth);
  const pages = await Promise.all(
    [0, 1, 2].map((page) => list(`sort=general.reportDate:asc&page=${page}&page-size=10`)),
  );
  expect(pages.map(({ totalCount, results }) => [totalCount, results.length])).toEqual([
    [25, 10],
    [25, 10],
    [25, 5],
  ]);
  const dates = pages.flatMap(({ results }) => results.map(({ general }) => String(general.reportDate)));
  expect(dates.map(Date.parse)).toEqual(dates.map(Date.parse).toSorted((a, b) => a - b));
  expect(pages[2]?.results.at(-1)?.id).toBe('5');
});

test('404 with the envelope for an unknown id', async () => {
  for (const id of ['999', 'abc', '0']) {
    const answer = await world.call(berlin, `/api/v4/computers-inventory-detail/${id}`, { token });
    expect(answer.status).toBe(404);
    expect(answer.json()).toMatchObject({ httpStatus: 404, errors: [{ code: 'INVALID_ID', id }] });
  }
});
