import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCommandLine, writeFileIn } from '../harness/command.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  bootstrapKey,
  connectTenant,
  type Scene,
  startScene,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** What an operator sees after an import of computers that their instance does not know: the cause, and true traces. */

interface Span {
  readonly name: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}

const imported = 150;
const firstUnknownId = 900_001;
const clientKind = 3;

describe('an import of 150 computers that the instance does not know', { timeout: 180_000 }, () => {
  let scene: Scene;
  let collector: Server;
  let tenantId: string;
  let berlin: AddedInstance;
  const spans: Span[] = [];
  const named = (name: string): Span[] => spans.filter((span) => span.name === name);

  beforeAll(async () => {
    collector = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (request.url === '/v1/traces') {
        const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString());
        for (const { scopeSpans } of resourceSpans) for (const one of scopeSpans) spans.push(...one.spans);
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
      environment: {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_BSP_SCHEDULE_DELAY: '200',
      },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
  });
  afterAll(async () => {
    await scene?.close();
    collector?.close();
  });

  const status = async () => (await scene.api('GET', `/tenants/${tenantId}/status`)).json;
  const waiting = () => scene.database.sql<{ attempts: number; unknown: boolean; error: string | null }[]>`
    select attempts, not_found_since is not null as unknown, last_error as error from computers
    where tenant_id = ${tenantId} and jamf_computer_id >= ${firstUnknownId}`;

  it('says why they wait, since when and until when, also between two tries', async () => {
    const rows = Array.from(
      { length: imported },
      (_, at) => `${crypto.randomUUID()},${berlin.id},${firstUnknownId + at},,,`,
    );
    const answer = await call(`${scene.gateway.admin}/api/v1/tenants/${tenantId}/devices/import`, {
      method: 'POST',
      ca: scene.trust,
      headers: {
        authorization: `Bearer ${bootstrapKey}`,
        'content-type': 'text/csv',
      },
      body: `deviceId,instanceId,jamfComputerId,serialNumber,udid,pinned\n${rows.join('\n')}\n`,
    });
    expect(answer.json).toMatchObject({ accepted: imported });
    await eventually(async () => {
      const tried = (await waiting()).filter(({ attempts }) => attempts > 0);
      expect(tried).toHaveLength(imported);
    }, 60_000);
    // Second tries are rationed: those that have to wait for one have still been refused.
    const until = performance.now() + 25_000;
    while (performance.now() < until) {
      const found = await waiting();
      expect(found.filter(({ error, unknown }) => !unknown || error === null)).toEqual([]);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const { backlog, backlogCauses } = await status();
    expect(backlog.computers).toBe(imported);
    expect(backlogCauses).toEqual([
      {
        instanceId: berlin.id,
        instance: 'berlin',
        cause: 'not-found',
        detail: expect.stringMatching(/does not know.*every 15 s.*90 s/),
        owner: 'instance',
        computers: imported,
        since: expect.stringMatching(/^\d{4}-.*Z$/),
        lastAnswerAt: expect.stringMatching(/^\d{4}-.*Z$/),
        nextTryAt: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    ]);
  });

  it('says so at the command line', async () => {
    const cli = createCommandLine({ ESPALIER_URL: scene.gateway.admin, ESPALIER_API_KEY: bootstrapKey });
    const { code, stdout } = await cli.run(['tenants', 'status', tenantId], {
      environment: { ESPALIER_CA_FILE: writeFileIn(cli.home, 'ca.pem', scene.trust) },
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/backlogCauses.*berlin.*not-found.*does not know/s);
  });

  it('has one span for each exchange with the instance, and one for each read of a computer', async () => {
    await scene.database.sql`update instances set paused = true where tenant_id = ${tenantId}`;
    const exchanges = () => scene.world.journal.list({ service: 'jamf:berlin' });
    // All that was under way has ended when nothing is added for a while.
    let before = -1;
    await eventually(async () => {
      const now = exchanges().length + spans.length;
      const settled = now === before;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(settled).toBe(true);
    }, 60_000);
    const ofInstance = exchanges();
    const reads = ofInstance.filter(({ path }) => /computers-inventory(-detail)?\/\d+/.test(path));
    expect(reads.length).toBeGreaterThanOrEqual(imported);
    expect(named('computer.read')).toHaveLength(reads.length);
    const attribute = (span: Span, key: string): unknown => {
      const value = span.attributes.find((one) => one.key === key)?.value;
      return value === undefined ? undefined : Object.values(value)[0];
    };
    const told = spans.filter((span) => attribute(span, 'service.peer.name') === 'jamf-pro');
    expect(told).toHaveLength(ofInstance.length);
    expect(new Set(told.map(({ kind }) => kind))).toEqual(new Set([clientKind]));
    const statuses = (list: readonly unknown[]): unknown[] => list.map(Number).sort();
    expect(statuses(told.map((span) => attribute(span, 'http.response.status_code')))).toEqual(
      statuses(ofInstance.map((entry) => entry.status)),
    );
    const readSpans = new Set(named('computer.read').map(({ spanId }) => spanId));
    const ofReads = told.filter((span) =>
      String(attribute(span, 'url.full')).includes(String(firstUnknownId)),
    );
    expect(ofReads.length).toBeGreaterThan(0);
    for (const { parentSpanId } of ofReads) expect(readSpans.has(parentSpanId ?? '')).toBe(true);
  });

  it('says that reading is paused where it is', async () => {
    expect((await status()).backlogCauses).toMatchObject([
      { cause: 'instance-paused', owner: 'configuration', computers: imported },
    ]);
  });

  it('names the error of an instance that breaks every connection, and when it last answered', async () => {
    scene.world.faults.add({ service: 'jamf:berlin', reset: 'before' });
    await scene.database.sql`update instances set paused = false where tenant_id = ${tenantId}`;
    await scene.database.sql`
      update computers set next_try_at = now() where tenant_id = ${tenantId} and next_try_at is not null`;
    await eventually(async () => {
      const { backlogCauses } = await status();
      const [broken] = backlogCauses.filter(({ cause }: { cause: string }) => cause === 'unreachable');
      expect(broken).toMatchObject({
        instance: 'berlin',
        owner: 'instance',
        detail: expect.stringContaining('the connection broke'),
        lastAnswerAt: expect.stringMatching(/Z$/),
      });
    }, 60_000);
  });
});
