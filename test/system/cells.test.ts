import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findAppliedBackwards, findBehind } from '../faults/comparison.ts';
import { createLedgerCheck } from '../faults/ledger-check.ts';
import { nextVersion } from '../faults/versions.ts';
import { type Cell, fileKey, startTwoCells, type TwoCells } from '../harness/cells.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  startScene,
} from '../harness/gateway.ts';
import type { Answer } from '../harness/http.ts';
import { rawCall } from '../harness/raw-call.ts';

/** A tenant lives in one deployment and moves to another one (docs/cells.md). */

const macs = 6;

interface Told {
  readonly violations: readonly unknown[];
  readonly duplicates: number;
}

/** What Intune's ledger must never show, over both cells. */
function ledgerOf(scene: Scene, tenantId: string, crashes: readonly number[] = []): Told {
  const { ledger, messages } = scene.world.cloud('public').intune.tenant(tenantId);
  const check = createLedgerCheck({
    ledgers: [ledger],
    crashes: () => crashes,
    hasFailed: (id) => messages.get(id)?.status === 'Failed',
  });
  check.look();
  return { violations: check.violations, duplicates: check.counts().duplicatesUnexplained };
}

const allTold = (scene: Scene): Promise<void> =>
  eventually(() => expect(findBehind(scene.world)).toEqual([]), 40_000);

/** As if what was let in before the fence had had its time: nothing sends anything meanwhile. */
const ageFence = (cell: Cell, tenantId: string) =>
  cell.database
    .sql`update placements set fenced_at = fenced_at - interval '65 seconds' where tenant_id = ${tenantId}`;

const untilReady = (cell: Cell, tenantId: string, withinMs = 30_000): Promise<void> =>
  eventually(async () => {
    expect((await cell.api('GET', `/tenants/${tenantId}/move-out`)).json.state).toBe('ready');
  }, withinMs);

describe('a tenant that moves between two cells', () => {
  let scene: Scene;
  let cells: TwoCells;
  let tenantId: string;
  let berlin: AddedInstance;
  let file: string;

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs }] }] },
      environment: { ESPALIER_HEARTBEAT_SECONDS: '1' },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    cells = await startTwoCells(scene);
  }, 120_000);
  afterAll(async () => {
    await cells?.close();
    await scene?.close();
  });

  const change = (): void => {
    for (const mac of scene.world.fleet.macs())
      scene.world.fleet.updateInventory(mac, { osVersion: nextVersion(mac.facts.osVersion) });
  };
  const tellAll = async (cell: Cell): Promise<void> => {
    for (const { computerId } of scene.world.fleet.macs())
      expect((await cell.webhook(berlin, computerId)).status).toBe(202);
  };
  const relayPath = (query = ''): string => `/tenants/${tenantId}/move-out/relay${query}`;
  const relay = (more: { to?: string; until?: string } = {}, query?: string): Promise<Answer> =>
    cells.first.api('PUT', relayPath(query), {
      to: cells.second.publicUrl,
      until: new Date(Date.now() + 3_600_000).toISOString(),
      ...more,
    });
  const heartbeats = (): number => scene.world.cloud('public').intune.tenant(tenantId).heartbeats;

  it('says what is in the way, and fences nothing in a dry run', async () => {
    change();
    await tellAll(cells.first);
    await allTold(scene);
    const trial = await cells.first.api('POST', `/tenants/${tenantId}/move-out?dry-run=true`);
    expect(trial.json).toMatchObject({ state: 'here', dryRun: true, generation: null });
    expect((await cells.first.file(tenantId)).status).toBe(409);
    expect((await cells.first.webhook(berlin, 1)).status).toBe(202);
    const { sql } = cells.first.database;
    await sql`insert into gateway_processes (process_id, name) values (${tenantId}, 'an old one')`;
    const mixed = await cells.first.api('POST', `/tenants/${tenantId}/move-out`);
    expect([mixed.status, mixed.json.detail]).toEqual([409, expect.stringContaining('an old one')]);
    await sql`delete from gateway_processes where process_id = ${tenantId}`;
    const early = await relay();
    expect([early.status, early.json.detail]).toEqual([409, expect.stringContaining('lives here')]);
  });

  it('does nothing for a tenant behind the fence', async () => {
    const begun = await cells.first.api('POST', `/tenants/${tenantId}/move-out`);
    expect(begun.json).toMatchObject({ state: 'draining', generation: 1 });
    const again = await cells.first.api('POST', `/tenants/${tenantId}/move-out`);
    expect(again.json).toMatchObject({ moveId: begun.json.moveId, generation: 1 });
    await eventually(async () => {
      const refused = await cells.first.webhook(berlin, 1);
      expect([refused.status, refused.json.detail]).toEqual([
        503,
        expect.stringContaining('another deployment'),
      ]);
    });
    expect((await cells.first.api('POST', `/tenants/${tenantId}/resync`)).status).toBe(409);
    expect((await cells.first.api('PATCH', `/tenants/${tenantId}`, { displayName: 'x' })).status).toBe(409);
    expect((await cells.first.api('DELETE', `/tenants/${tenantId}?force=true`)).status).toBe(409);
    expect((await cells.first.file(tenantId)).status).toBe(409);

    // One that was sent when the fence came may still be counted.
    const [before, uploads] = [heartbeats(), ledgerOf(scene, tenantId)];
    change();
    await cells.first.database.sql`
      update computers set next_try_at = now(), wanted_revision = wanted_revision + 1 where tenant_id = ${tenantId}`;
    await cells.first.database.sql`
      update tenants set next_heartbeat_at = now(), deprovision_wanted = true where tenant_id = ${tenantId}`;
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(heartbeats() - before).toBeLessThanOrEqual(1);
    expect(ledgerOf(scene, tenantId)).toEqual(uploads);
    const { deprovisionedCount } = scene.world.cloud('public').intune.tenant(tenantId);
    expect(deprovisionedCount).toBe(0);
    await cells.first.database
      .sql`update tenants set deprovision_wanted = false where tenant_id = ${tenantId}`;
  });

  it('can be kept while no file was made', async () => {
    const kept = await cells.first.api('DELETE', `/tenants/${tenantId}/move-out`);
    expect(kept.json.state).toBe('here');
    change();
    await eventually(async () => expect((await cells.first.webhook(berlin, 1)).status).toBe(202));
    await tellAll(cells.first);
    await allTold(scene);
  });

  it('leaves in a file that only its key opens', async () => {
    expect((await cells.first.api('POST', `/tenants/${tenantId}/move-out`)).json.generation).toBe(2);
    change();
    await ageFence(cells.first, tenantId);
    await untilReady(cells.first, tenantId);
    const taken = await cells.first.file(tenantId);
    expect(taken.status).toBe(200);
    file = taken.text;
    expect(file.split('\n').length).toBeGreaterThan(10);
    expect(file).not.toContain(berlin.id);
    expect((await cells.first.file(tenantId, 'short')).status).toBe(400);
    const kept = await cells.first.api('DELETE', `/tenants/${tenantId}/move-out`);
    expect(kept.status).toBe(409);

    const otherKey = Buffer.alloc(32, 6).toString('base64url');
    const lines = file.split('\n');
    const swapped = [...lines.slice(0, 2), lines[3], lines[2], ...lines.slice(4)].join('\n');
    for (const [text, key] of [
      [file, otherKey],
      [file.slice(0, -200), fileKey],
      [`${lines.slice(0, -2).join('\n')}\n`, fileKey],
      [file.replace('"generation":2', '"generation":9'), fileKey],
      [swapped, fileKey],
      ['{}', fileKey],
    ] as const) {
      const refused = await cells.second.moveIn(tenantId, text, { key });
      expect([refused.status, refused.json.errors[0].code]).toEqual([400, 'FILE_BROKEN']);
    }
    expect((await cells.second.api('GET', `/tenants/${tenantId}`)).status).toBe(404);
    expect((await cells.first.moveIn(tenantId, file)).status).toBe(409);

    // Credentials would go to whatever answers there.
    const jamf = scene.world.instance('berlin').url;
    for (const [to, detail] of [
      [cells.second.publicUrl, 'does not know it'],
      [jamf, 'Nothing shows that the tenant lives at'],
      ['https://localhost:9', 'Nothing shows that the tenant lives at'],
    ] as const) {
      const refused = await relay({ to });
      expect([refused.status, refused.json.detail], refused.text).toEqual([
        409,
        expect.stringContaining(detail),
      ]);
    }
  });

  it('arrives whole, once', async () => {
    const trial = await cells.second.moveIn(tenantId, file, { query: '?dry-run=true' });
    expect(trial.json).toMatchObject({ dryRun: true, already: false, generation: 2 });
    expect((await cells.second.api('GET', `/tenants/${tenantId}`)).status).toBe(404);
    const arrived = await cells.second.moveIn(tenantId, file);
    expect([arrived.status, arrived.json.rows]).toEqual([
      200,
      expect.objectContaining({ tenants: 1, instances: 1, instance_keys: 1, reports: macs, routes: macs }),
    ]);
    expect((await cells.second.moveIn(tenantId, file)).json).toMatchObject({ already: true, rows: {} });
    const status = await cells.second.api('GET', `/tenants/${tenantId}/status`);
    expect(status.json).toMatchObject({ connectionState: 'connected', devices: macs });
  });

  it('goes on in the new cell: keys, secrets, dates, history', async () => {
    // Nobody told of the last change: the reconciliation finds it.
    await allTold(scene);
    change();
    await tellAll(cells.second);
    await allTold(scene);
    expect(findAppliedBackwards(scene.world)).toEqual([]);
    expect(ledgerOf(scene, tenantId)).toEqual({ violations: [], duplicates: 0 });
    const before = heartbeats();
    await eventually(() => expect(heartbeats()).toBeGreaterThan(before));
    const verified = await cells.second.api('GET', `/history/verify?tenantId=${tenantId}`);
    expect(verified.json.ok).toBe(true);
    const entries = await cells.second.api('GET', `/history?filter=tenantId==${tenantId}&sort=sequence:desc`);
    const actions = entries.json.results.map(({ action }: { action: string }) => action);
    expect(actions).toEqual(expect.arrayContaining(['tenant.create', 'tenant.move-out', 'tenant.move-in']));
  });

  /** Of a tenant that stays in the first cell. */
  const addNeighbour = async (): Promise<AddedInstance> => {
    const neighbour = crypto.randomUUID();
    const named = { tenantId: neighbour, cloud: 'public', displayName: 'neighbour' };
    expect((await cells.first.api('POST', '/tenants', named)).status).toBe(201);
    const path = `/tenants/${neighbour}/instances`;
    const made = await cells.first.api('POST', path, {
      name: 'at home',
      url: scene.world.instance('berlin').url,
      apiClient: { clientId: 'nobody', clientSecret: 'unused' },
    });
    const key = await cells.first.api('POST', `${path}/${made.json.id}/keys`, {});
    return { id: made.json.id, key: key.json.key };
  };
  const callOf = (token: string, deviceId: string) => ({
    path: `/t/${tenantId}/devices/${deviceId}/compliance`,
    headers: { authorization: `Bearer ${token}` },
  });
  /** What the second cell was asked on its data listener. */
  const arrivedAt = async (cell: Cell): Promise<number> => {
    const text = await (await fetch(`${cell.process().ops}/metrics`)).text();
    const lines = text.matchAll(/^espalier_requests_total\{[^}]*listener="data"[^}]*\} (\d+)/gm);
    return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
  };

  it('is relayed by its old cell only to an allowed address and a date to come', async () => {
    for (const [given, code, field] of [
      [{ to: 'http://new.example' }, undefined, 'to'],
      [{ to: 'https://me@new.example' }, 'INVALID_FIELD', 'to'],
      [{ to: scene.world.publicUrl }, 'INVALID_FIELD', 'to'],
      [{ to: 'https://10.1.2.3' }, 'ADDRESS_REFUSED', 'to'],
      [{ until: '2020-01-01T00:00:00Z' }, 'INVALID_FIELD', 'until'],
    ] as const) {
      const refused = await relay(given);
      expect([refused.status, refused.json.errors[0]], refused.text).toEqual([
        400,
        expect.objectContaining({ field, ...(code ? { code } : {}) }),
      ]);
    }
    const trial = await relay({}, '?dry-run=true');
    expect(trial.json).toMatchObject({ dryRun: true, relay: { to: cells.second.publicUrl } });
    expect((await cells.first.webhook(berlin, 1)).status).toBe(503);
    expect((await cells.first.api('GET', `/tenants/${tenantId}/move-out`)).json.relay).toBeNull();
  });

  it('is answered at its old address as at its new one', async () => {
    const set = await relay({ to: `${cells.second.publicUrl}/` });
    expect([set.status, set.json.relay]).toEqual([
      200,
      { to: cells.second.publicUrl, until: expect.stringMatching(/Z$/) },
    ]);
    await eventually(async () => {
      const taken = await cells.first.webhook(berlin, 1);
      expect([taken.status, taken.json]).toEqual([202, { status: 'accepted' }]);
    });
    change();
    await tellAll(cells.first);
    await allTold(scene);
    expect(ledgerOf(scene, tenantId)).toEqual({ violations: [], duplicates: 0 });

    const push = await cells.first.data(`/jamf/${berlin.id}/inventory`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', authorization: `Bearer ${berlin.key}` },
      body: '{"id":"x"}\n',
    });
    expect([push.status, push.json]).toEqual([202, expect.objectContaining({ accepted: 0 })]);
    const [mac] = scene.world.fleet.truth();
    const { headers, path } = callOf(await callerToken(scene, tenantId), mac!.deviceId);
    const [here, there] = [
      await cells.first.data(path, { headers }),
      await cells.second.data(path, { headers }),
    ];
    expect([here.status, here.text, here.headers['content-type']]).toEqual([
      200,
      there.text,
      there.headers['content-type'],
    ]);
    const noted = await cells.first.data(`/t/${tenantId}/notifications?validationToken=a%20b`, {
      method: 'POST',
    });
    expect([noted.status, noted.text]).toEqual([200, 'a b']);
    const page = `/t/${tenantId}/enroll?deviceId=${mac!.deviceId}&x=%22`;
    const [shown, wanted] = [await cells.first.data(page), await cells.second.data(page)];
    expect([shown.status, shown.headers.location, shown.text]).toEqual([
      wanted.status,
      wanted.headers.location,
      wanted.text,
    ]);
  });

  it('costs its new cell nothing for strangers, and is passed on once only', async () => {
    const before = await arrivedAt(cells.second);
    const stranger = await cells.first.webhook({ ...berlin, key: `esp_${'A'.repeat(43)}` }, 1);
    expect([stranger.status, stranger.headers['www-authenticate']]).toEqual([
      401,
      expect.stringContaining('Basic'),
    ]);
    const [mac] = scene.world.fleet.truth();
    const { headers, path } = callOf('e30.e30.AA', mac!.deviceId);
    expect((await cells.first.data(path, { headers })).status).toBe(401);
    expect((await cells.first.data(path)).status).toBe(401);
    const again = await cells.first.webhook(berlin, 1, { 'espalier-relayed': '1' });
    expect([again.status, again.json.detail]).toEqual([502, expect.stringContaining('once already')]);
    const dotted = await rawCall(
      {
        origin: cells.first.process().data,
        ca: cells.first.trust,
        method: 'GET',
        path: `/t/${tenantId}/x/../enroll`,
        headers: {},
      },
      (request) => request.end(),
    );
    expect(dotted.incoming.statusCode).toBe(400);
    dotted.incoming.resume();
    expect(await arrivedAt(cells.second)).toBe(before);
  });

  it('is never answered 202 while its new cell is away, and other tenants are served', async () => {
    const neighbour = await addNeighbour();
    await cells.second.process().stop();
    const refused = await cells.first.webhook(berlin, 1);
    expect([refused.status, refused.json.detail, Number(refused.headers['retry-after'])]).toEqual([
      503,
      expect.stringContaining('does not answer'),
      expect.any(Number),
    ]);
    const [mac] = scene.world.fleet.truth();
    const { headers, path } = callOf(await callerToken(scene, tenantId), mac!.deviceId);
    expect((await cells.first.data(path, { headers })).status).toBe(503);
    expect((await cells.first.webhook(neighbour, 1)).status).toBe(202);
    await cells.second.restart();
    await eventually(async () => expect((await cells.first.webhook(berlin, 1)).status).toBe(202));
  });

  it('ends at its date, or before it by a word of an operator', async () => {
    const deleted = await cells.first.api('DELETE', `/tenants/${tenantId}`);
    expect([deleted.status, deleted.json.detail]).toEqual([
      409,
      expect.stringContaining(cells.second.publicUrl),
    ]);
    const kept = await cells.first.api('DELETE', `/tenants/${tenantId}/move-out`);
    expect([kept.status, kept.json.detail]).toEqual([409, expect.stringContaining('passed on')]);

    await relay({ until: new Date(Date.now() + 2_000).toISOString() });
    const [mac] = scene.world.fleet.truth();
    const { headers, path } = callOf(await callerToken(scene, tenantId), mac!.deviceId);
    for (const ask of [
      () => cells.first.webhook(berlin, 1),
      () => cells.first.data(path, { headers }),
      () => cells.first.data(`/t/${tenantId}/enroll`),
    ])
      await eventually(async () => {
        const late = await ask();
        expect([late.status, late.json.owner, late.json.detail]).toEqual([
          404,
          'configuration',
          expect.stringContaining(cells.second.publicUrl),
        ]);
      });
    const ended = await cells.first.api('DELETE', relayPath());
    expect([ended.status, ended.json.relay]).toEqual([200, null]);
    await eventually(async () => expect((await cells.first.webhook(berlin, 1)).status).toBe(503));
    const entries = await cells.first.api('GET', `/history?filter=action==tenant.relay*`);
    const actions = entries.json.results.map(({ action }: { action: string }) => action);
    expect(actions.toSorted()).toEqual(['tenant.relay', 'tenant.relay', 'tenant.relay-cancel']);
    // It comes back while it is relayed.
    expect((await relay()).status).toBe(200);
  });

  it('comes back over what it left, and no older file does', async () => {
    await cells.second.api('POST', `/tenants/${tenantId}/move-out`);
    await ageFence(cells.second, tenantId);
    await untilReady(cells.second, tenantId);
    const back = (await cells.second.file(tenantId)).text;
    const arrived = await cells.first.moveIn(tenantId, back);
    expect([arrived.status, arrived.json.generation]).toEqual([200, 3]);
    expect((await cells.first.moveIn(tenantId, file)).status).toBe(409);
    expect((await cells.second.moveIn(tenantId, file)).status).toBe(409);
    change();
    await eventually(async () => expect((await cells.first.webhook(berlin, 1)).status).toBe(202));
    await tellAll(cells.first);
    await allTold(scene);
    expect(ledgerOf(scene, tenantId)).toEqual({ violations: [], duplicates: 0 });

    const { deprovisionedCount } = scene.world.cloud('public').intune.tenant(tenantId);
    const removed = await cells.second.api('DELETE', `/tenants/${tenantId}?force=true`);
    expect([removed.status, deprovisionedCount]).toEqual([200, 0]);
    // Neither does the one that it made itself.
    expect((await cells.second.moveIn(tenantId, file)).status).toBe(409);
    expect((await cells.second.moveIn(tenantId, back)).status).toBe(409);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(scene.world.cloud('public').intune.tenant(tenantId).deprovisionedCount).toBe(0);
  });
});

describe('a tenant that moves under traffic, while everything is killed once', () => {
  let scene: Scene;
  let cells: TwoCells;
  let tenantId: string;
  let berlin: AddedInstance;
  const crashes: number[] = [];

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 20 }] }] },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    cells = await startTwoCells(scene);
  }, 120_000);
  afterAll(async () => {
    await cells?.close();
    await scene?.close();
  });

  /** Macs that change one after the other, each told once to the cell that the traffic goes to, as Jamf Pro does. */
  function startTraffic() {
    const all = scene.world.fleet.macs();
    const state = { cell: cells.first as Cell, accepted: 0, refused: 0, next: 0 };
    const under = new Set<Promise<unknown>>();
    const timer = setInterval(() => {
      const mac = all[state.next % all.length]!;
      state.next += 1;
      scene.world.fleet.updateInventory(mac, { osVersion: nextVersion(mac.facts.osVersion) });
      const sent: Promise<unknown> = state.cell
        .webhook(berlin, mac.computerId)
        .then(
          ({ status }) => {
            if (status === 202) state.accepted += 1;
            else state.refused += 1;
          },
          () => {
            state.refused += 1;
          },
        )
        .finally(() => under.delete(sent));
      under.add(sent);
    }, 100);
    return {
      state,
      stop: async () => {
        clearInterval(timer);
        await Promise.all(under);
      },
    };
  }

  it('loses nothing, doubles nothing and never goes backwards', { timeout: 240_000 }, async () => {
    const traffic = startTraffic();
    await eventually(() => expect(traffic.state.accepted).toBeGreaterThan(30));

    const begun = await cells.first.api('POST', `/tenants/${tenantId}/move-out`);
    crashes.push(Date.now());
    await scene.restart('kill');
    const again = await cells.first.api('POST', `/tenants/${tenantId}/move-out`);
    expect(again.json.moveId).toBe(begun.json.moveId);
    // The whole wait, with nothing aged: what was let in before is still on its way.
    await untilReady(cells.first, tenantId, 90_000);
    const taken = await cells.first.file(tenantId);
    crashes.push(Date.now());
    await scene.restart('kill');
    const file = (await cells.first.file(tenantId)).text;
    expect(file.split('\n', 1)).toEqual(taken.text.split('\n', 1));

    const lost = cells.second.moveIn(tenantId, file).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await cells.second.process().kill();
    await lost;
    await cells.second.restart();
    const arrived = await cells.second.moveIn(tenantId, file);
    expect(arrived.status).toBe(200);
    crashes.push(Date.now());
    await cells.second.restart();
    expect((await cells.second.moveIn(tenantId, file)).json.already).toBe(true);

    // Jamf Pro keeps the old address, which passes on what it is sent, also while the new cell dies once more.
    expect(traffic.state.refused).toBeGreaterThan(0);
    const relayed = await cells.first.api('PUT', `/tenants/${tenantId}/move-out/relay`, {
      to: cells.second.publicUrl,
      until: new Date(Date.now() + 3_600_000).toISOString(),
    });
    expect(relayed.status, relayed.text).toBe(200);
    const untilTaken = async (more: number): Promise<void> => {
      const before = traffic.state.accepted;
      await eventually(() => expect(traffic.state.accepted).toBeGreaterThan(before + more), 30_000);
    };
    await untilTaken(20);
    crashes.push(Date.now());
    await cells.second.restart();
    await untilTaken(30);
    traffic.state.cell = cells.second;
    await untilTaken(10);
    await traffic.stop();
    await allTold(scene);
    expect(findAppliedBackwards(scene.world)).toEqual([]);
    expect(ledgerOf(scene, tenantId, crashes)).toEqual({ violations: [], duplicates: 0 });
  });
});
