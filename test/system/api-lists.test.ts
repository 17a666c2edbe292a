import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DocumentedOperation, fillPath, operationsOf, readDocument } from '../harness/api-document.ts';
import { type ApiScene, startApiScene } from '../harness/api-scene.ts';

/** Lists of the admin API: page, page-size, sort and filter on each (contract section 8). */

let api: ApiScene;
let lists: readonly DocumentedOperation[];
beforeAll(async () => {
  api = await startApiScene();
  lists = operationsOf(await readDocument(api.scene.gateway.admin, api.scene.trust)).filter(
    ({ parameters }) => parameters.some(({ name }) => name === 'page-size'),
  );
}, 120_000);
afterAll(() => api?.scene.close());

const get = (path: string) => api.scene.api('GET', path.replace('/api/v1', ''), undefined, api.unbound.admin);
const pathOf = ({ operation, path }: DocumentedOperation, query: string): string => {
  const needed = operation.operationId === 'diffRoutes' ? 'from=0&to=1&' : '';
  return `${fillPath(path, { ...api.own })}?${needed}${query}`;
};
const having = (name: string) =>
  lists.filter(({ parameters }) => parameters.some((parameter) => parameter.name === name));

/** `'a, b'` out of the description of a filter. */
const filterNames = ({ parameters }: DocumentedOperation): string[] => {
  const { description = '' } = parameters.find(({ name }) => name === 'filter')?.schema ?? {};
  return (/^RSQL over ([\w, ]+):/.exec(description)?.[1] ?? '').split(', ');
};

describe('every list', () => {
  it('takes page, page-size, sort and filter', async () => {
    const all = operationsOf(await readDocument(api.scene.gateway.admin, api.scene.trust)).filter(
      // The clouds are a handful of the configuration's, and a tenant has two consents.
      ({ operation: { operationId } }) =>
        /^list/.test(operationId) && !['listClouds', 'listConsents'].includes(operationId),
    );
    expect(all.length).toBeGreaterThan(5);
    for (const { name, parameters } of all)
      expect({ name, takes: parameters.map((one) => one.name) }).toMatchObject({
        name,
        takes: expect.arrayContaining(['page', 'page-size', 'sort', 'filter']),
      });
  });

  it('answers totalCount and results, at most as many as asked', async () => {
    expect(lists.length).toBeGreaterThan(10);
    for (const one of lists) {
      const answer = await get(pathOf(one, 'page=0&page-size=1'));
      expect({ name: one.name, status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
      expect(answer.json.totalCount).toBeGreaterThanOrEqual(answer.json.results.length);
      expect(answer.json.results.length).toBeLessThanOrEqual(1);
      expect((await get(pathOf(one, 'page-size=2001'))).json.errors[0].field).toBe('page-size');
      expect((await get(pathOf(one, 'page=-1'))).json.errors[0].field).toBe('page');
    }
  });

  it('names an unknown field of sort and of filter', async () => {
    for (const one of having('sort')) {
      const answer = await get(pathOf(one, 'sort=shoeSize:asc'));
      expect({ name: one.name, status: answer.status, field: answer.json.errors[0].field }).toEqual({
        name: one.name,
        status: 400,
        field: 'sort',
      });
    }
    for (const one of having('filter')) {
      const answer = await get(pathOf(one, 'filter=shoeSize==42'));
      expect({ name: one.name, status: answer.status, field: answer.json.errors[0].field }).toEqual({
        name: one.name,
        status: 400,
        field: 'filter',
      });
      expect(answer.json.detail).toContain('shoeSize');
    }
  });

  it('can be asked by every field that it names, and by a wrong value only with a clear refusal', async () => {
    for (const one of having('filter')) {
      const names = filterNames(one);
      expect(names.length).toBeGreaterThan(1);
      for (const name of names) {
        const answers = await Promise.all(
          ['x', 'true', '42', crypto.randomUUID(), '2026-11-01T00:00:00Z'].map((value) =>
            get(pathOf(one, `filter=${encodeURIComponent(`${name}==${value}`)}`)),
          ),
        );
        const statuses = answers.map(({ status }) => status);
        expect({
          name: one.name,
          field: name,
          others: statuses.filter((s) => s !== 200 && s !== 400),
        }).toEqual({
          name: one.name,
          field: name,
          others: [],
        });
        for (const { json, status } of answers) if (status === 400) expect(json.detail).toContain(name);
      }
    }
  });
});

describe('filters', () => {
  const named = async (path: string, filter: string): Promise<string[]> => {
    const { json } = await get(`/api/v1${path}?filter=${encodeURIComponent(filter)}&sort=name:asc`);
    return json.results.map(({ name }: { name: string }) => name);
  };

  it('select instances by name with wildcards, by state and by id', async () => {
    const path = `/tenants/${api.own.tenantId}/instances`;
    expect(await named(path, 'name==ber*')).toEqual(['berlin']);
    expect(await named(path, 'name!=ber*')).toEqual(['munich']);
    expect(await named(path, 'enabled==true;paused==false')).toEqual(['berlin', 'munich']);
    expect(await named(path, `instanceId=in=(${api.own.instanceId},${crypto.randomUUID()})`)).toHaveLength(1);
    expect(await named(path, `instanceId==${api.foreign.instanceId}`)).toEqual([]);
  });

  it('select tenants, and count what they select', async () => {
    const one = await get(`/api/v1/tenants?filter=tenantId==${api.own.tenantId}`);
    expect([one.json.totalCount, one.json.results[0].id]).toEqual([1, api.own.tenantId]);
    const none = await get('/api/v1/tenants?filter=connectionState==terminated');
    expect(none.json).toEqual({ totalCount: 0, results: [] });
    const all = await get('/api/v1/tenants?filter=connectionState==connected,cloud==china');
    expect(all.json.totalCount).toBe(2);
  });
});
