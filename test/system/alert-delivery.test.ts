import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AlertReceiver, startAlertReceiver } from '../harness/alert-receiver.ts';
import { eventually } from '../harness/eventually.ts';
import { type Scene, startScene } from '../harness/gateway.ts';

/** Targets of alerts are told what needs a person, and when it does not any more (docs/alerts.md). */

const contoso = 'aaaaaaaa-0000-4000-8000-000000000001';
const fabrikam = 'bbbbbbbb-0000-4000-8000-000000000002';
const serial = 'C02SECRET123';
const device = '5a1c7b32-90de-4f6b-8c24-7e8f90a1b2c3';

let scene: Scene;
let receiver: AlertReceiver;
const sql = () => scene.database.sql;

beforeAll(async () => {
  scene = await startScene({
    world: { tenants: [{ instances: [] }], clouds: ['public'] },
    environment: {
      ESPALIER_ALERT_SECONDS: '1',
      ESPALIER_ADMIN_URL: 'https://console.example.com',
    },
  });
  for (const [tenantId, displayName] of [
    [contoso, 'Contoso <!channel>'],
    [fabrikam, 'Fabrikam'],
  ])
    await scene.api('POST', '/tenants', { tenantId, cloud: 'public', displayName });
  // Tenants that nobody has connected need a person too, and connected ones are held by the gateway itself.
  await sql()`update tenants set connection_state = 'disabled'`;
}, 120_000);
afterAll(() => scene?.close());

beforeEach(async () => {
  receiver = await startAlertReceiver(scene.world.authority);
});
afterEach(async () => {
  for (const { id } of (await scene.api('GET', '/alerts/targets')).json.results)
    await scene.api('DELETE', `/alerts/targets/${id}`);
  await sql()`update tenants set hold = null`;
  await receiver.close();
});

/** A hold whose detail says what no alert may say. */
const hold = (tenantId: string) => sql()`
  update tenants set hold = ${sql().json({
    cause: 'consent-lost',
    detail: `Microsoft said no to ${device} (${serial}) of ann@contoso.example`,
    remedy: 'Connect the tenant again.',
    owner: 'configuration',
    since: '2026-11-01T00:00:00.000Z',
  })} where tenant_id = ${tenantId}`;
const release = (tenantId: string) => sql()`update tenants set hold = null where tenant_id = ${tenantId}`;

async function add(body: object = {}): Promise<{ id: string; secret: string | null }> {
  const made = await scene.api('POST', '/alerts/targets', {
    name: 'on call',
    url: `${receiver.url}/hook?key=of-the-chat`,
    kinds: ['tenant-held', 'alert-target-failing'],
    ...body,
  });
  expect(made.status, made.text).toBe(201);
  return made.json;
}

const target = async (id: string) => (await scene.api('GET', `/alerts/targets/${id}`)).json;

const eventsIn = (): string[] =>
  receiver.received.flatMap(({ json }) =>
    (json.data.alerts ?? []).map(
      (one: { event: string; tenantId: string }) => `${one.event} ${one.tenantId}`,
    ),
  );

const surveys = async (count: number): Promise<void> => {
  const looks = async (): Promise<Date> =>
    (await sql()<{ at: Date }[]>`select next_at as at from alert_survey`)[0]!.at;
  for (let seen = 0; seen < count; seen += 1) {
    const before = await looks();
    await eventually(async () => expect(await looks()).not.toEqual(before));
  }
};

describe('a target of alerts', () => {
  it('is told once what needs a person, signed, and once that it is over', async () => {
    const { secret } = await add();
    await hold(contoso);
    const [opened] = await eventually(() => {
      expect(receiver.received).toHaveLength(1);
      return receiver.received;
    });
    expect(opened?.path).toBe('/hook?key=of-the-chat');
    expect(() => new Webhook(secret!).verify(opened!.text, opened!.headers)).not.toThrow();
    expect(opened?.json).toEqual({
      type: 'alerts.changed',
      timestamp: expect.any(String),
      data: {
        alerts: [
          {
            ...{ alertId: expect.any(String), event: 'opened', kind: 'tenant-held', title: 'Delivery held' },
            ...{ cause: 'consent-lost', tenantId: contoso, tenantName: 'Contoso <!channel>' },
            ...{
              instanceId: null,
              instanceName: null,
              count: 1,
              countIsLeast: false,
              owner: 'configuration',
            },
            ...{ remedy: 'Connect the tenant again.', since: '2026-11-01T00:00:00.000Z' },
            ...{ openedAt: expect.any(String), resolvedAt: null },
            url: `https://console.example.com/tenants/${contoso}`,
          },
        ],
      },
    });
    // It is still so, in many looks: nothing more is said of it.
    await surveys(4);
    expect(receiver.received).toHaveLength(1);
    await release(contoso);
    await eventually(() => expect(eventsIn()).toEqual([`opened ${contoso}`, `resolved ${contoso}`]));
    const [first, second] = receiver.received.map(({ json }) => json.data.alerts[0]);
    expect(second.alertId).toBe(first.alertId);
    expect(second.resolvedAt).toEqual(expect.any(String));
    expect(receiver.received[0]?.headers['webhook-id']).not.toBe(receiver.received[1]?.headers['webhook-id']);
  });

  it('hears of no serial number, device or person, whatever its form', async () => {
    await add();
    await add({ format: 'slack', name: 'slack' });
    await add({ format: 'teams', name: 'teams' });
    await hold(contoso);
    await eventually(() => expect(receiver.received).toHaveLength(3));
    const all = receiver.received.map(({ text }) => text).join('\n');
    for (const secret of [serial, device, 'ann@contoso.example']) expect(all).not.toContain(secret);
  });

  it('of Slack or Teams has a text in which a name is no mention and no link', async () => {
    await add({ format: 'slack', name: 'slack' });
    await hold(contoso);
    const [slack] = await eventually(() => {
      expect(receiver.received).toHaveLength(1);
      return receiver.received;
    });
    expect(slack?.headers['webhook-signature']).toBeUndefined();
    expect(slack?.json.text).toBe('Espalier: 1 new');
    const [, section] = slack!.json.blocks;
    expect(section.text.text).toBe(
      `:warning: *Delivery held* <https://console.example.com/tenants/${contoso}|Open>`,
    );
    expect(section.fields.map(({ type }: { type: string }) => type)).toEqual(['plain_text', 'plain_text']);
    await add({ format: 'teams', name: 'teams' });
    const teams = await eventually(() => {
      expect(receiver.received).toHaveLength(2);
      return receiver.received[1]!;
    });
    const card = teams.json.attachments[0];
    expect(card.contentType).toBe('application/vnd.microsoft.card.adaptive');
    const about = card.content.body[1].items[1];
    expect(about).toEqual({
      type: 'RichTextBlock',
      inlines: [{ type: 'TextRun', text: 'Contoso <!channel> · consent-lost' }],
    });
  });

  it('hears only of its own tenants and kinds', async () => {
    await add({ tenants: [fabrikam] });
    await add({ kinds: ['instance-unreachable'] });
    await hold(contoso);
    await hold(fabrikam);
    await eventually(() => expect(eventsIn()).toEqual([`opened ${fabrikam}`]));
    await surveys(3);
    expect(eventsIn()).toEqual([`opened ${fabrikam}`]);
  });

  it('is told that a tenant which was deleted needs nobody any more', async () => {
    const gone = 'cccccccc-0000-4000-8000-000000000003';
    await scene.api('POST', '/tenants', { tenantId: gone, cloud: 'public', displayName: 'Gone' });
    await sql()`update tenants set connection_state = 'disabled' where tenant_id = ${gone}`;
    await add();
    await hold(gone);
    await eventually(() => expect(eventsIn()).toEqual([`opened ${gone}`]));
    await scene.api('DELETE', `/tenants/${gone}?force=true`);
    await eventually(() => expect(eventsIn()).toEqual([`opened ${gone}`, `resolved ${gone}`]));
  });
});

describe('a target that does not answer', () => {
  it('costs nothing but a row, is tried again, and is told what is so when it is back', async () => {
    receiver.answer(500);
    const { id } = await add();
    await hold(contoso);
    await eventually(async () => expect((await target(id)).attempts).toBeGreaterThan(2));
    expect(await target(id)).toMatchObject({ state: 'failing', lastError: 'it answered with status 500' });
    // The same message each time: same id, same text.
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(receiver.received.map(({ text }) => text)).size).toBe(1);
    // Comes and goes meanwhile, and is told nobody.
    await hold(fabrikam);
    await surveys(2);
    await release(fabrikam);
    await surveys(4);
    receiver.received.length = 0;
    receiver.answer(200);
    await eventually(() => expect(eventsIn()).toEqual([`opened ${contoso}`]));
    await eventually(async () =>
      expect(await target(id)).toMatchObject({ state: 'ok', attempts: 0, lastError: null }),
    );
    await surveys(2);
    expect(eventsIn()).toEqual([`opened ${contoso}`]);
  });

  it('that hangs delays no other one for good', async () => {
    const hanging = await startAlertReceiver(scene.world.authority);
    try {
      hanging.answer(undefined);
      const { id } = await add({ url: hanging.url, name: 'hangs' });
      await add();
      await hold(contoso);
      await eventually(() => expect(eventsIn()).toEqual([`opened ${contoso}`]));
      await release(contoso);
      await eventually(
        () => expect(eventsIn()).toEqual([`opened ${contoso}`, `resolved ${contoso}`]),
        60_000,
      );
      expect((await target(id)).lastError).toBe('no answer within 10 s');
    } finally {
      await hanging.close();
    }
  }, 90_000);

  it('is given up after days with a word in the overview and to others, and goes on after a test', async () => {
    const dead = await startAlertReceiver(scene.world.authority);
    try {
      dead.answer(503);
      const { id } = await add({ url: dead.url, name: 'dead' });
      await hold(contoso);
      await eventually(async () => expect((await target(id)).attempts).toBeGreaterThan(0));
      await sql()`
        update alert_targets set attempts = 100, failing_since = now() - interval '6 days', next_try_at = now()
        where target_id = ${id}`;
      await eventually(async () => expect((await target(id)).state).toBe('given-up'));
      const { attention } = (await scene.api('GET', '/overview?kind=alert-target-failing')).json;
      expect(attention.results).toMatchObject([
        { cause: 'alert-target-given-up', action: { href: `/alerts/${id}` } },
      ]);
      await add({ name: 'alive' });
      await eventually(() =>
        expect(
          receiver.received.flatMap(({ json }) => json.data.alerts.map(({ kind }: { kind: string }) => kind)),
        ).toContain('alert-target-failing'),
      );
      const tries = dead.received.length;
      await surveys(3);
      expect(dead.received).toHaveLength(tries);
      const failed = await scene.api('POST', `/alerts/targets/${id}/test`);
      expect(failed.json).toEqual({ ok: false, status: 503, detail: 'it answered with status 503' });
      expect((await target(id)).state).toBe('given-up');
      dead.answer(204);
      dead.received.length = 0;
      const tested = await scene.api('POST', `/alerts/targets/${id}/test`);
      expect(tested.json).toEqual({ ok: true, status: 204, detail: null });
      expect(dead.received[0]?.json.type).toBe('alerts.test');
      await eventually(() => expect(dead.received.map(({ json }) => json.type)).toContain('alerts.changed'));
      expect((await target(id)).state).toBe('ok');
    } finally {
      await dead.close();
    }
  });

  it('with status 410 is given up at once', async () => {
    receiver.answer(410);
    const { id } = await add();
    await hold(contoso);
    await eventually(async () => expect((await target(id)).state).toBe('given-up'));
    expect(receiver.received).toHaveLength(1);
  });

  it('that sends the caller elsewhere is not followed', async () => {
    receiver.answer(302, { location: 'https://localhost:1/elsewhere' });
    const { id } = await add();
    const answer = await scene.api('POST', `/alerts/targets/${id}/test`);
    expect(answer.json).toEqual({ ok: false, status: 302, detail: 'it answered with status 302' });
  });
});

describe('a process that is killed between sending and noting', () => {
  it('leaves a message that the next one sends again with the same id', async () => {
    receiver.answer(undefined);
    await add();
    await hold(contoso);
    await eventually(() => expect(receiver.received).toHaveLength(1));
    // The target has it, and nobody has noted so.
    await scene.gateway.kill();
    receiver.answer(200);
    // The lease of the dead process ends by itself; the test does not wait for that.
    await sql()`update alert_targets set next_try_at = now()`;
    await scene.start();
    await eventually(() => expect(receiver.received).toHaveLength(2));
    const [first, second] = receiver.received;
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.text).toBe(first?.text);
    await surveys(3);
    expect(receiver.received).toHaveLength(2);
  }, 60_000);
});

describe('two processes', () => {
  it('tell each thing once', async () => {
    const other = await scene.worker();
    try {
      await add();
      await hold(contoso);
      await hold(fabrikam);
      await surveys(6);
      expect(eventsIn().sort()).toEqual([`opened ${contoso}`, `opened ${fabrikam}`]);
    } finally {
      await other.stop();
    }
  }, 60_000);
});

describe('the history', () => {
  const entries = () => receiver.received.flatMap(({ json }) => json.data.entries ?? []);

  it('is streamed entry by entry from when the target was made, in order and once, as the API shows it', async () => {
    const { id } = await add({ history: true });
    for (const displayName of ['one', 'two', 'three'])
      await scene.api('PATCH', `/tenants/${fabrikam}`, { displayName });
    const streamed = await eventually(() => {
      const changes = entries().filter(({ action }) => action === 'tenant.change');
      expect(changes).toHaveLength(3);
      return changes;
    });
    const { results } = (
      await scene.api('GET', `/history?filter=tenantId==${fabrikam};action==tenant.change&sort=sequence:asc`)
    ).json;
    expect(streamed).toEqual(results.slice(-3));
    expect(entries().map(({ action }) => action)).toContain('alert-target.create');
    expect(entries().some(({ action }) => action === 'tenant.create')).toBe(false);
    const stream = receiver.received.find(({ json }) => json.type === 'history.appended');
    expect(stream?.headers['webhook-id']).toMatch(/^history-[0-9a-f-]{36}-\d+-\d+$/);
    expect(stream?.json.data.missing).toBe(0);
    await scene.api('DELETE', `/alerts/targets/${id}`);
  });

  it('that retention removed before it was streamed is counted', async () => {
    receiver.answer(500);
    await add({ history: true, tenants: [fabrikam] });
    const [head] = await sql()<{ sequence: number }[]>`
      select sequence from history_heads where tenant_id = ${fabrikam}`;
    for (const displayName of ['four', 'five', 'six'])
      await scene.api('PATCH', `/tenants/${fabrikam}`, { displayName });
    await eventually(() => expect(receiver.received.length).toBeGreaterThan(0));
    await sql()`delete from history where tenant_id = ${fabrikam} and sequence <= ${Number(head!.sequence) + 2}`;
    await sql()`
      update history_heads set trimmed_sequence = ${Number(head!.sequence) + 2} where tenant_id = ${fabrikam}`;
    receiver.received.length = 0;
    receiver.answer(200);
    const last = await eventually(() => {
      const found = receiver.received.at(-1);
      expect(found?.json.data.entries.at(-1).after.displayName).toBe('six');
      return found!;
    });
    expect(last.json.data.missing).toBe(2);
  });
});
