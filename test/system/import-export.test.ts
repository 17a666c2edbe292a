import { request } from 'node:https';
import { gzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importPage } from '../../src/limits.ts';
import { escapeFormula } from '../../src/spreadsheet-cells.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  addInstance,
  bootstrapKey,
  consent,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';

/** Contract section 8, `/devices/import` and `/devices/export`; docs/import-export.md. */

const header = 'deviceId,instanceId,jamfComputerId,serialNumber,udid,pinned';

interface Sent {
  readonly tenant?: string;
  readonly query?: string;
  readonly key?: string;
  readonly headers?: Record<string, string>;
}

describe('import and export of routes', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let rome: AddedInstance;
  let oslo: AddedInstance;
  const keys = new Map<string, string>();

  beforeAll(async () => {
    scene = await startScene({
      world: {
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 0 },
              { name: 'paris', macs: 0 },
              { name: 'rome', macs: 4 },
            ],
          },
          { instances: [{ name: 'oslo', macs: 0 }] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    for (const id of [tenantId, otherId]) await consent(scene, id);
    berlin = await addInstance(scene, tenantId, 'berlin');
    paris = await addInstance(scene, tenantId, 'paris');
    rome = await addInstance(scene, tenantId, 'rome');
    oslo = await addInstance(scene, otherId, 'oslo');
    for (const role of ['viewer', 'operator', 'admin']) {
      const made = await scene.api('POST', '/keys', { name: role, role, tenants: [tenantId] });
      keys.set(role, made.json.key);
    }
  });
  afterAll(() => scene?.close());

  const at = (path: string, tenant = tenantId): string =>
    `${scene.gateway.admin}/api/v1/tenants/${tenant}${path}`;
  const send = (type: string | undefined, body: string | Uint8Array, more: Sent = {}): Promise<Answer> =>
    call(at(`/devices/import${more.query ?? ''}`, more.tenant), {
      method: 'POST',
      ca: scene.trust,
      headers: {
        authorization: `Bearer ${more.key ?? keys.get('operator')}`,
        ...(type === undefined ? {} : { 'content-type': type }),
        ...more.headers,
      },
      body,
    });
  const csv = (rows: readonly string[], more?: Sent): Promise<Answer> =>
    send('text/csv', `${[header, ...rows].join('\n')}\n`, more);
  const take = (accept: string | undefined, query = '', key = keys.get('viewer')): Promise<Answer> =>
    call(at(`/devices/export${query}`), {
      ca: scene.trust,
      headers: { authorization: `Bearer ${key}`, ...(accept === undefined ? {} : { accept }) },
    });
  const device = async (deviceId: string): Promise<Answer['json']> =>
    (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).json;
  const newestVersion = async (): Promise<number> =>
    (await scene.api('GET', `/tenants/${tenantId}/routes/convergence`)).json.version;
  const id = (): string => crypto.randomUUID();

  it('takes a file and shows it in routes, changes, history and due computers, as one version a page', async () => {
    const [one, two] = [id(), id()];
    const before = await newestVersion();
    const answer = await csv([`${one},${berlin.id},101,C02ONE,U-1,false`, `${two},${paris.id},102,,,true`], {
      query: '?reason=from%20the%20old%20system',
    });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({
      ...{ dryRun: false, mode: 'partial', rows: 2, accepted: 2, changed: 2, rejectedCount: 0, rejected: [] },
      ...{ versionBefore: before, version: before + 1 },
    });
    expect(await device(one)).toMatchObject({
      ...{ instanceId: berlin.id, jamfComputerId: '101', serialNumber: 'C02ONE', udid: 'U-1' },
      ...{ pinned: false, rule: 'placed' },
    });
    expect(await device(two)).toMatchObject({ instanceId: paris.id, pinned: true, rule: 'pinned' });
    const changes = (
      await scene.api('GET', `/tenants/${tenantId}/routes/changes?filter=version==${before + 1}`)
    ).json;
    expect(changes.results).toHaveLength(2);
    expect(changes.results[0]).toMatchObject({
      author: 'key operator',
      reason: 'from the old system',
      from: null,
    });
    await eventually(async () => {
      const computers = await scene.database.sql`
        select jamf_computer_id as id from computers where tenant_id = ${tenantId} and jamf_computer_id in (101, 102)
        order by 1`;
      expect(computers.map((row) => row.id)).toEqual([101, 102]);
    });
    const [entry] = await scene.database.sql`
      select action, author, reason, after from history where tenant_id = ${tenantId} and action = 'routes.import'`;
    expect(entry).toMatchObject({ author: 'key operator', reason: 'from the old system' });
    expect(JSON.parse(entry!.after)).toMatchObject({
      mode: 'partial',
      accepted: 2,
      sha256: answer.json.sha256,
    });
  });

  it('the same file again changes nothing, and leaves no version and no entry in the history', async () => {
    const rows = [`${id()},${berlin.id},111,S,U,false`, `${id()},${berlin.id},112,,,true`];
    await csv(rows);
    const version = await newestVersion();
    const again = await csv(rows);
    expect(again.json).toMatchObject({
      accepted: 2,
      changed: 0,
      noted: 0,
      version: null,
      versionBefore: null,
    });
    expect(await newestVersion()).toBe(version);
    const entries = await scene.database.sql`
      select 1 from history where tenant_id = ${tenantId} and after::jsonb ->> 'sha256' = ${again.json.sha256}`;
    expect(entries).toHaveLength(1);
  });

  it('columns in any order, optional ones left out, a byte order mark, CRLF and quotes', async () => {
    const [one, two, three] = [id(), id(), id()];
    const text = [
      'jamfComputerId,deviceId,serialNumber,instanceId',
      `121,${one},"A, ""B""",${berlin.id}`,
      `"122","${two}","plain","${berlin.id}"`,
      `123,${three.toUpperCase()},"two\r\nlines",${berlin.id}`,
      '',
    ].join('\r\n');
    const answer = await send('text/csv; charset=UTF-8', `\ufeff${text}`);
    expect(answer.json).toMatchObject({ accepted: 3, rejectedCount: 0 });
    expect((await device(one)).serialNumber).toBe('A, "B"');
    expect((await device(two)).serialNumber).toBe('plain');
    expect((await device(three)).serialNumber).toBe('two\r\nlines');
  });

  it('bad rows are told by line and reason, the good ones kept', async () => {
    const good = id();
    const row = (more: Partial<Record<string, string>>): string => {
      const all = { d: id(), i: berlin.id, c: '131', s: '', u: '', p: 'false', ...more };
      return [all.d, all.i, all.c, all.s, all.u, all.p].join(',');
    };
    const answer = await csv([
      row({ d: good }),
      row({ d: 'no-guid' }),
      row({ d: '' }),
      row({ i: id() }),
      row({ i: oslo.id }),
      row({ c: '0' }),
      row({ c: '2147483648' }),
      row({ c: '1x' }),
      row({ s: 'x'.repeat(101) }),
      row({ u: 'a\0b' }),
      row({ p: 'perhaps' }),
      'too,few',
      `${row({})},more`,
      row({ s: 'a"b' }),
      row({ d: good, c: '7' }),
      '',
    ]);
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ rows: 15, accepted: 1, rejectedCount: 14 });
    expect(answer.json.rejected.map((one: { line: number; code: string }) => [one.line, one.code])).toEqual([
      [3, 'INVALID_GUID'],
      [4, 'MISSING_VALUE'],
      [5, 'UNKNOWN_INSTANCE'],
      [6, 'UNKNOWN_INSTANCE'],
      [7, 'INVALID_COMPUTER_ID'],
      [8, 'INVALID_COMPUTER_ID'],
      [9, 'INVALID_COMPUTER_ID'],
      [10, 'INVALID_TEXT'],
      [11, 'INVALID_TEXT'],
      [12, 'INVALID_BOOLEAN'],
      [13, 'WRONG_FIELDS'],
      [14, 'WRONG_FIELDS'],
      [15, 'INVALID_QUOTES'],
      [16, 'DUPLICATE_DEVICE'],
    ]);
    expect(answer.json.rejected.at(-1).description).toBe('deviceId stands in line 2 already');
    expect(await device(good)).toMatchObject({ jamfComputerId: '131' });
  });

  it('NDJSON, also without a content type, with its own faults by line', async () => {
    const [one, two] = [id(), id()];
    const line = (value: object): string => JSON.stringify(value);
    const text = [
      line({ deviceId: one, instanceId: berlin.id, jamfComputerId: 141, serialNumber: null, pinned: true }),
      '',
      line({ deviceId: two, instanceId: berlin.id, jamfComputerId: '142', udid: 'é€😀' }),
      '{"deviceId":',
      '[]',
      line({ deviceId: id(), instanceId: berlin.id, jamfComputerId: 1, color: 'red' }),
      line({ deviceId: id(), instanceId: berlin.id, jamfComputerId: 1, pinned: 'true' }),
      line({ deviceId: id(), instanceId: berlin.id, jamfComputerId: 1.5 }),
      line({ deviceId: id(), instanceId: berlin.id, jamfComputerId: 1, serialNumber: 5 }),
      line({ deviceId: id(), instanceId: berlin.id, jamfComputerId: 1, udid: '\ud800' }),
    ].join('\n');
    const answer = await send(undefined, text);
    expect(answer.json).toMatchObject({ accepted: 2, changed: 2 });
    expect(answer.json.rejected.map((row: { line: number; code: string }) => [row.line, row.code])).toEqual([
      [4, 'INVALID_JSON'],
      [5, 'INVALID_JSON'],
      [6, 'UNKNOWN_MEMBER'],
      [7, 'INVALID_BOOLEAN'],
      [8, 'INVALID_COMPUTER_ID'],
      [9, 'INVALID_TEXT'],
      [10, 'INVALID_TEXT'],
    ]);
    expect(await device(two)).toMatchObject({ jamfComputerId: '142', udid: 'é€😀' });
  });

  it('a row of cleared cells is no row', async () => {
    const body = `${header}\r\n${id()},${berlin.id},145,,,\r\n,,,,,\r\n , ,,,,\r\n`;
    const answer = await send('text/csv', body, { query: '?mode=atomic' });
    expect(answer.json).toMatchObject({ accepted: 1, rejectedCount: 0 });
  });

  it('cells that a spreadsheet would run leave as text and come back as they were', async () => {
    const serials = [
      '=HYPERLINK("https://x.example","y")',
      '+1',
      '-1',
      '@SUM(A1)',
      "'=1",
      "''@",
      "O'Brien",
      '\u{FF1D}1',
    ];
    const ids = serials.map(() => id());
    const rows = serials.map((serialNumber, at) =>
      JSON.stringify({
        deviceId: ids[at],
        instanceId: berlin.id,
        jamfComputerId: String(7_000 + at),
        serialNumber,
        udid: '=1',
      }),
    );
    expect((await send('application/x-ndjson', rows.join('\n'))).json).toMatchObject({
      accepted: serials.length,
    });
    const { text } = await take('text/csv');
    for (const cells of parse(text) as string[][])
      for (const cell of cells) expect(cell).not.toMatch(/^[=+\-@\uFF1D]/);
    expect((await send('text/csv', text, { query: '?mode=atomic' })).json).toMatchObject({
      changed: 0,
      noted: 0,
    });
    for (const [at, deviceId] of ids.entries())
      expect(await device(deviceId)).toMatchObject({ serialNumber: serials[at], udid: '=1' });
  });

  it('what is no UTF-8 is told by line', async () => {
    const bytes = Buffer.concat([
      Buffer.from(`${header}\n${id()},${berlin.id},1,`),
      Buffer.from([0xe9]),
      Buffer.from(`,,\n${id()},${berlin.id},2,,,\n`),
    ]);
    const answer = await send('text/csv', bytes);
    expect(answer.json).toMatchObject({ accepted: 1, rejected: [{ line: 2, code: 'INVALID_ENCODING' }] });
  });

  it.each([
    ['no header', '', 'MISSING_HEADER'],
    ['a missing column', 'deviceId,instanceId\n', 'MISSING_COLUMN'],
    ['an unknown column', `${header},color\n`, 'UNKNOWN_COLUMN'],
    ['a column twice', `${header},udid\n`, 'REPEATED_COLUMN'],
    ['semicolons', `${header.replaceAll(',', ';')}\n`, 'WRONG_SEPARATOR'],
    ['semicolons in another order', 'instanceId;deviceId;jamfComputerId\n', 'WRONG_SEPARATOR'],
    ['tabs', `${header.replaceAll(',', '\t')}\n`, 'WRONG_SEPARATOR'],
    ['UTF-16 as Excel writes it', Buffer.from(`\ufeff${header}\n`, 'utf16le'), 'INVALID_ENCODING'],
    ['UTF-16 without a mark', Buffer.from(`${header}\n`, 'utf16le'), 'INVALID_ENCODING'],
    ['UTF-16, the other end first', Buffer.from(`\ufeff${header}\n`, 'utf16le').swap16(), 'INVALID_ENCODING'],
    ['a quote that is never closed', `${header}\na,b,c,"d\n`, 'INVALID_QUOTES'],
    ['a line without an end', `${header}\n${'x'.repeat(9_000)}`, 'LINE_TOO_LONG'],
    ['a quote over many lines', `${header}\n"${'x,\n'.repeat(4_000)}`, 'LINE_TOO_LONG'],
  ])('400 for %s', async (_, body, code) => {
    const answer = await send('text/csv', body);
    expect(answer.status).toBe(400);
    expect(answer.json.errors[0].code).toBe(code);
  });

  it('mode=atomic refuses all for one bad row and names it; without one all are one version', async () => {
    const [one, two] = [id(), id()];
    const version = await newestVersion();
    const rows = [`${one},${berlin.id},151,,,`, `${two},${berlin.id},0,,,`];
    const refused = await csv(rows, { query: '?mode=atomic' });
    expect(refused.status).toBe(400);
    expect(refused.json.errors).toEqual([
      {
        code: 'INVALID_COMPUTER_ID',
        field: 'jamfComputerId',
        id: '0',
        description: 'line 3: jamfComputerId must be the number of a computer',
      },
    ]);
    expect(await newestVersion()).toBe(version);
    const rowCount = importPage + 1_000;
    const many = Array.from({ length: rowCount }, (_, n) => `${id()},${paris.id},${n + 1},,,`);
    const taken = await csv(many, { query: '?mode=atomic' });
    expect(taken.json).toMatchObject({ accepted: rowCount, changed: rowCount, version: version + 1 });
    const pages = await csv(
      many.map((row) => row.replace(paris.id, berlin.id)),
      { query: '?mode=partial' },
    );
    expect(pages.json).toMatchObject({
      changed: rowCount,
      versionBefore: version + 1,
      version: version + 3,
    });
    const back = await scene.api('POST', `/tenants/${tenantId}/routes/rollback`, {
      toVersion: pages.json.versionBefore,
      reason: 'the wrong instance',
    });
    expect(back.json).toMatchObject({ placed: rowCount, ended: 0 });
  });

  it('dry-run=true says what would change and changes nothing', async () => {
    const one = id();
    const version = await newestVersion();
    const answer = await csv([`${one},${berlin.id},161,,,`, 'bad'], { query: '?dry-run=true' });
    expect(answer.json).toMatchObject({
      dryRun: true,
      accepted: 1,
      changed: 1,
      rejectedCount: 1,
      version: null,
    });
    const to = { instanceId: berlin.id, jamfComputerId: '161' };
    expect(answer.json.changes).toEqual([
      {
        line: 2,
        deviceId: one,
        change: 'created',
        from: null,
        to,
        serialNumber: null,
        udid: null,
        pinned: false,
      },
    ]);
    expect(await newestVersion()).toBe(version);
    expect((await scene.api('GET', `/tenants/${tenantId}/devices/${one}`)).status).toBe(404);
  });

  it('dry-run=true lists the first changes with where each device is and goes', async () => {
    const [moved, pinned, unpinned, described, same] = Array.from({ length: 5 }, id);
    const rows = (computer: number): string[] => [
      `${moved},${berlin.id},${computer},S1,,`,
      `${pinned},${berlin.id},202,,,${computer > 201}`,
      `${unpinned},${berlin.id},203,,,${computer < 202}`,
      `${described},${berlin.id},204,S${computer},,`,
      `${same},${berlin.id},205,,,`,
    ];
    expect((await csv(rows(201))).json).toMatchObject({ changed: 5, changes: [] });
    const { json } = await csv(rows(211), { query: '?dry-run=true' });
    expect(json).toMatchObject({ changed: 3, noted: 1 });
    const place = (jamfComputerId: string) => ({ instanceId: berlin.id, jamfComputerId });
    expect(json.changes).toMatchObject([
      { line: 2, deviceId: moved, change: 'moved', from: place('201'), to: place('211') },
      { line: 3, deviceId: pinned, change: 'pinned', from: place('202'), to: place('202'), pinned: true },
      { line: 4, deviceId: unpinned, change: 'unpinned', to: place('203'), pinned: false },
      { line: 5, deviceId: described, change: 'described', serialNumber: 'S211' },
    ]);
    const many = Array.from({ length: 150 }, (_, row) => `${id()},${berlin.id},${1_000 + row},,,`);
    const { changes, changed } = (await csv(many, { query: '?dry-run=true' })).json;
    expect([changed, changes.map(({ line }: { line: number }) => line)]).toEqual([
      150,
      Array.from({ length: 100 }, (_, row) => row + 2),
    ]);
  });

  it('takes gzip, and says so where it is none, cut off, or another coding', async () => {
    const text = `${header}\n${id()},${berlin.id},171,,,\n`;
    const packed = gzipSync(text);
    const gzip = { headers: { 'content-encoding': 'gzip' } };
    expect((await send('text/csv', packed, gzip)).json).toMatchObject({ accepted: 1, changed: 1 });
    for (const body of [text, packed.subarray(0, packed.length - 10)]) {
      const answer = await send('text/csv', body, gzip);
      expect(answer.status).toBe(400);
      expect(answer.json.errors[0].code).toBe('INVALID_GZIP');
    }
    const other = await send('text/csv', text, { headers: { 'content-encoding': 'br' } });
    expect(other.status).toBe(415);
  });

  it('415 for other media types and charsets, 400 for unknown modes and parameters', async () => {
    for (const type of ['application/json', 'text/plain', 'text/csv; charset=utf-16'])
      expect((await send(type, 'x')).status).toBe(415);
    for (const query of ['?mode=some', '?dry-run=yes', '?page=1'])
      expect((await csv([], { query })).status).toBe(400);
  });

  it('only the import takes a large body there: other methods have the limit of every other path', async () => {
    for (const method of ['PUT', 'PATCH']) {
      const answer = await call(at('/devices/import'), {
        method,
        ca: scene.trust,
        headers: { authorization: `Bearer ${keys.get('viewer')}`, 'content-type': 'application/json' },
        body: JSON.stringify({ reason: 'x'.repeat(1024 * 1024) }),
      });
      expect([method, answer.status]).toEqual([method, 413]);
    }
  });

  it('operators may import, viewers may export; another tenant is not there', async () => {
    expect((await csv([], { key: keys.get('viewer')! })).status).toBe(403);
    expect((await csv([], { key: keys.get('admin')! })).status).toBe(200);
    expect((await csv([], { key: 'esp_wrong' })).status).toBe(401);
    expect((await csv([], { tenant: otherId })).status).toBe(404);
    expect((await take('text/csv')).status).toBe(200);
    const other = await call(at('/devices/export', otherId), {
      ca: scene.trust,
      headers: { authorization: `Bearer ${keys.get('viewer')}` },
    });
    expect(other.status).toBe(404);
    const own = await call(at('/devices/export', otherId), {
      ca: scene.trust,
      headers: { authorization: `Bearer ${bootstrapKey}` },
    });
    expect(own.status === 200 ? own.text : '').toBe('');
  });

  it('HEAD of an export has its headers and leaves its place to others', async () => {
    for (let nth = 0; nth < 6; nth += 1) {
      const head = await call(at('/devices/export', tenantId), {
        method: 'HEAD',
        ca: scene.trust,
        headers: { authorization: `Bearer ${bootstrapKey}` },
      });
      expect([head.status, head.headers['content-disposition'], head.text]).toEqual([
        200,
        `attachment; filename="routes-${tenantId}.ndjson"`,
        '',
      ]);
    }
    expect((await take('text/csv')).status).toBe(200);
  });

  it('with Accept: application/x-ndjson the answer is the last line of the progress', async () => {
    const headers = { accept: 'application/x-ndjson' };
    const answer = await csv([`${id()},${berlin.id},181,,,`, 'bad'], { headers });
    const last = JSON.parse(answer.text.trim().split('\n').at(-1)!);
    expect(last.result).toMatchObject({ accepted: 1, rejectedCount: 1 });
    const refused = await csv(['bad'], { headers, query: '?mode=atomic' });
    expect(refused.status).toBe(200);
    const problem = JSON.parse(refused.text.trim().split('\n').at(-1)!);
    expect(problem.problem).toMatchObject({ status: 400, errors: [{ code: 'WRONG_FIELDS' }] });
  });

  it('export is NDJSON by default, in the order of devices, by filter, and its import changes nothing', async () => {
    const json = await take(undefined);
    expect(json.headers['content-type']).toBe('application/x-ndjson');
    const lines = json.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const [count] = await scene.database
      .sql`select count(*)::int as n from routes where tenant_id = ${tenantId}`;
    expect(lines).toHaveLength(count!.n);
    const ids = lines.map((line) => line.deviceId);
    expect(ids).toEqual([...ids].sort());
    const text = await take('text/csv;q=0.9, */*;q=0.1');
    expect(text.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(text.text.split('\n')[0]).toBe(header);
    for (const [type, body] of [
      ['application/x-ndjson', json.text],
      ['text/csv', text.text],
    ] as const) {
      const again = await send(type, body, { query: '?mode=atomic' });
      expect(again.json).toMatchObject({ accepted: count!.n, changed: 0, noted: 0 });
    }
    const pinned = await take('text/csv', '?filter=pinned==true');
    const rows = pinned.text.trim().split('\n').slice(1);
    expect(rows.length).toBe(lines.filter((line) => line.pinned).length);
    expect(rows.every((row) => row.endsWith(',true'))).toBe(true);
    expect((await take(undefined, '?filter=color==red')).status).toBe(400);
  });

  it('a caller that goes away in the middle of the file changes nothing', async () => {
    const version = await newestVersion();
    const outgoing = request(at('/devices/import'), {
      method: 'POST',
      ca: scene.trust,
      agent: false,
      headers: { authorization: `Bearer ${keys.get('operator')}`, 'content-type': 'text/csv' },
    });
    outgoing.on('error', () => undefined);
    outgoing.write(`${header}\n`);
    for (let n = 0; n < 3_000; n += 1) outgoing.write(`${id()},${berlin.id},${n + 1},,,\n`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    outgoing.destroy();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await newestVersion()).toBe(version);
    expect((await csv([])).status).toBe(200);
  });

  it('kill -9 before an atomic import is committed leaves nothing of it', async () => {
    // The chain of the history begins with the tenant's first change.
    await csv([`${id()},${berlin.id},190,,,`]);
    const version = await newestVersion();
    const [one, two] = [id(), id()];
    const hold = Promise.withResolvers<void>();
    // The end of the history's chain is the last lock that an import takes: until then all is written.
    const holder = scene.database.sql.begin(async (tx) => {
      await tx`select 1 from history_heads where tenant_id = ${tenantId} for update`;
      await hold.promise;
    });
    const sent = csv([`${one},${berlin.id},191,,,`, `${two},${berlin.id},192,,,`], { query: '?mode=atomic' });
    const broken = expect(sent).rejects.toThrow();
    await eventually(async () => {
      const waiting = await scene.database.sql`
        select 1 from pg_stat_activity where application_name = 'espalier-bulk' and wait_event_type = 'Lock'
          and datname = current_database()`;
      expect(waiting).toHaveLength(1);
    });
    await scene.gateway.kill();
    await broken;
    hold.resolve();
    await holder;
    await scene.start();
    expect(await newestVersion()).toBe(version);
    for (const deviceId of [one, two])
      expect((await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).status).toBe(404);
    expect((await csv([`${one},${berlin.id},191,,,`], { query: '?mode=atomic' })).json.changed).toBe(1);
  });

  it('two imports of the same devices, placements and claims at once: every route is its last change', async () => {
    const devices = Array.from({ length: 7_000 }, id);
    const rowsOf = (instance: AddedInstance): string[] =>
      devices.map((deviceId, n) => `${deviceId},${instance.id},${n + 1},,,${n % 2 === 0}`);
    const macs = scene.world.fleet.truth().filter((mac) => mac.instance === 'rome');
    const imports = [csv(rowsOf(berlin)), csv(rowsOf(paris), { query: '?mode=atomic' })];
    // On a busy machine one that waits for the imports may be told to come again.
    const calls = devices.slice(0, 20).map((deviceId, n) =>
      eventually(async () => {
        const path = `/tenants/${tenantId}/devices/${deviceId}`;
        const placed = { instanceId: rome.id, jamfComputerId: String(9_000 + n) };
        expect([200, 201]).toContain((await scene.api('PUT', path, placed)).status);
      }, 40_000),
    );
    const claims = macs.map((mac) => sendWebhook(scene, rome, mac.jamfComputerId));
    for (const { json, status } of await Promise.all(imports)) {
      expect(status).toBe(200);
      expect(json).toMatchObject({ accepted: 7_000, rejectedCount: 0 });
    }
    await Promise.all(calls);
    for (const { status } of await Promise.all(claims)) expect(status).toBe(202);
    await eventually(async () => {
      for (const mac of macs) expect(await device(mac.deviceId)).toMatchObject({ instanceId: rome.id });
    });
    const [wrong] = await scene.database.sql`
      select count(*)::int as n from routes r cross join lateral (
        select * from route_changes c where c.tenant_id = r.tenant_id and c.device_id = r.device_id
        order by c.version desc limit 1) last
      where r.tenant_id = ${tenantId} and (r.instance_id, r.jamf_computer_id, r.pinned, r.version)
        is distinct from (last.to_instance_id, last.to_jamf_computer_id, last.pinned, last.version)`;
    expect(wrong!.n).toBe(0);
  });

  it('another process follows an import', async () => {
    const second = await scene.another();
    try {
      const [one] = [id()];
      const { json } = await csv([`${one},${berlin.id},201,,,`]);
      await eventually(async () => {
        const { processes, version } = (await scene.api('GET', `/tenants/${tenantId}/routes/convergence`))
          .json;
        expect(version).toBe(json.version);
        // The line of the process that was killed above stays for a minute.
        const own = [scene.gateway, second].map(({ process }) => `/${process.pid}`);
        const ours = processes.filter(({ process }: { process: string }) =>
          own.some((pid) => process.endsWith(pid)),
        );
        expect(ours).toHaveLength(2);
        for (const process of ours) expect(process.version).toBeGreaterThanOrEqual(json.version);
      });
    } finally {
      await second.stop();
    }
  });

  it('what is exported of an import is what was imported, whatever the texts are', {
    timeout: 180_000,
  }, async () => {
    const text = fc
      .string({ unit: 'grapheme', maxLength: 40 })
      .map((one) => one.trim())
      .filter((one) => one !== '' && !one.includes('\0') && !one.includes('\ufffd') && one.length <= 100);
    const row = fc.record({
      deviceId: fc.uuid(),
      instanceId: fc.constant(oslo.id),
      jamfComputerId: fc.integer({ min: 1, max: 2_147_483_647 }).map(String),
      serialNumber: fc.option(text),
      udid: fc.option(fc.oneof(text, fc.constantFrom('=1+1', '@x', '"', 'a,b', 'a\nb', 'a\r\nb', "'-"))),
      pinned: fc.boolean(),
    });
    const key = (await scene.api('POST', '/keys', { name: 'other', role: 'operator', tenants: [otherId] }))
      .json.key;
    const out = (accept: string): Promise<Answer> =>
      call(at('/devices/export', otherId), {
        ca: scene.trust,
        headers: { authorization: `Bearer ${key}`, accept },
      });
    const told = { key, tenant: otherId };
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(row, { selector: ({ deviceId }) => deviceId, maxLength: 30 }),
        fc.boolean(),
        async (rows, quoted) => {
          await scene.database.sql`delete from routes where tenant_id = ${otherId}`;
          const file = stringify(rows, {
            header: true,
            quoted,
            columns: header.split(','),
            cast: { boolean: String, string: escapeFormula },
          });
          const sent = rows.length > 0 ? file : header;
          const first = await send('text/csv', sent, told);
          expect(first.json).toMatchObject({ accepted: rows.length, changed: rows.length });
          const json = await out('application/x-ndjson');
          const lines = json.text === '' ? [] : json.text.trimEnd().split('\n');
          const sorted = [...rows].sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1));
          expect(lines.map((line) => JSON.parse(line))).toEqual(sorted);
          const asCsv = await out('text/csv');
          for (const [type, body] of [
            ['text/csv', asCsv.text],
            ['application/x-ndjson', json.text],
          ] as const) {
            expect((await send(type, body, told)).json).toMatchObject({ changed: 0, noted: 0 });
            await scene.database.sql`delete from routes where tenant_id = ${otherId}`;
            expect((await send(type, body, told)).json.changed).toBe(rows.length);
          }
          expect((await out('application/x-ndjson')).text).toBe(json.text);
        },
      ),
      {
        numRuns: 8,
        ...(process.env.ESPALIER_TEST_SEED ? { seed: Number(process.env.ESPALIER_TEST_SEED) } : {}),
      },
    );
  });

  it('an export that nobody takes any more gives its snapshot back', { timeout: 120_000 }, async () => {
    await scene.database.sql.begin(async (tx) => {
      // Foreign keys row by row; planned anew for each they would take longer than a statement may.
      await tx`set local plan_cache_mode = auto`;
      await tx`
        insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
        select ${otherId}, gen_random_uuid(), ${oslo.id}, n, 'placed', 1 from generate_series(1, 80000) n`;
    });
    const key = (await scene.api('POST', '/keys', { name: 'reader', role: 'viewer', tenants: [otherId] }))
      .json.key;
    const outgoing = request(
      at('/devices/export', otherId),
      { ca: scene.trust, agent: false, headers: { authorization: `Bearer ${key}` } },
      (incoming) => incoming.pause(),
    );
    outgoing.on('error', () => undefined);
    outgoing.end();
    const holders = () => scene.database.sql`
      select 1 from pg_stat_activity where application_name = 'espalier-bulk' and datname = current_database()`;
    await eventually(async () => expect(await holders()).toHaveLength(1));
    await eventually(async () => expect(await holders()).toHaveLength(0), 90_000);
    // The database ends the idle transaction after the same time, and may be first.
    await eventually(() => expect(scene.gateway.output()).toContain('export.stalled'));
    outgoing.destroy();
  });
});
