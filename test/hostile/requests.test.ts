import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  bootstrapKey,
  callerToken,
  connectTenant,
  type GatewayProcess,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { openCaller, parseAnswers, type RawAnswer } from '../harness/lane-scene.ts';
import {
  chunkRows,
  type GoodRequest,
  goodBytes,
  marker,
  type Outcome,
  type RequestRow,
  requestRows,
} from './requests.ts';

type ListenerName = 'data' | 'admin' | 'ops';
const lanes = ['on', 'public', 'off'] as const;

/** What came back, without what is another one each time. */
interface Seen {
  readonly answers: readonly Pick<RawAnswer, 'status' | 'headers' | 'body'>[];
  readonly closed: boolean;
  readonly text: string;
}

/** A row's bytes and a good request behind them, to real listeners: the outcome of the row, whichever way device calls take. */
describe('raw requests', () => {
  let scene: Scene;
  const gateways: GatewayProcess[] = [];
  let good: Readonly<Record<ListenerName, GoodRequest>>;
  /** Operations that read a body. */
  let taking: Readonly<Record<'data' | 'admin', GoodRequest>>;

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
    });
    const [{ tenantId } = { tenantId: '' }] = scene.world.tenants;
    const instance = (await connectTenant(scene, tenantId)).get('berlin')!;
    const [mac] = scene.world.fleet.truth();
    await sendWebhook(scene, instance, mac!.jamfComputerId);
    await eventually(async () =>
      expect((await scene.api('GET', `/tenants/${tenantId}/devices/${mac!.deviceId}`)).status).toBe(200),
    );
    for (const lane of lanes)
      gateways.push(await scene.another({ ESPALIER_TLS: 'off', ESPALIER_FAST_LANE: lane }));
    const of = (target: string, ...credential: readonly string[]): GoodRequest => ({
      target,
      host: 'localhost',
      lines: [...credential, 'X-Request-Id: r'],
    });
    const token = await callerToken(scene, tenantId);
    const operator = `Authorization: Bearer ${bootstrapKey}`;
    good = {
      data: of(`/t/${tenantId}/devices/${mac!.deviceId}/compliance`, `Authorization: Bearer ${token}`),
      admin: of('/api/v1/version', operator),
      ops: of('/health/live'),
    };
    taking = {
      data: of(`/jamf/${instance.id}/webhooks`, `X-Api-Key: ${instance.key}`),
      admin: of('/api/v1/tenants', operator),
    };
  }, 120_000);
  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await scene?.close();
  });

  async function ask(url: string, bytes: string, answersAtMost: number): Promise<Seen> {
    const caller = await openCaller(Number(new URL(url).port));
    caller.socket.write(bytes, 'latin1');
    await caller.until(answersAtMost);
    // What must not come would come now.
    await new Promise((resolve) => setTimeout(resolve, 10));
    const closed = caller.isClosed();
    caller.socket.destroy();
    // An answer to HEAD says the length of a body that does not come.
    const text = bytes.startsWith('HEAD')
      ? caller.text().replace(/content-length: \d+\r\n/, '')
      : caller.text();
    const answers = parseAnswers(text).map((one) => {
      if (!('status' in one)) throw new Error(`not whole: ${one.broken}`);
      const { date, ...headers } = one.headers;
      return { ...one, headers };
    });
    return { answers, closed, text };
  }

  const expected: Readonly<
    Record<Outcome, { readonly statuses: readonly number[]; readonly closed: boolean }>
  > = {
    refused: { statuses: [400], closed: true },
    'too large': { statuses: [431], closed: true },
    served: { statuses: [200, 200], closed: false },
    'served and closed': { statuses: [200], closed: true },
    'not found': { statuses: [404, 200], closed: false },
  };

  async function holds(row: RequestRow, listener: ListenerName, the: GoodRequest): Promise<void> {
    const outcome = listener === 'ops' ? (row.onOps ?? row.outcome) : row.outcome;
    const want = expected[outcome];
    const bytes = row.bytes(the) + goodBytes(the);
    const seen = await Promise.all(gateways.map((gateway) => ask(gateway[listener], bytes, 2)));
    for (const { answers, closed, text } of seen) {
      expect({ statuses: answers.map(({ status }) => status), closed }).toEqual(want);
      expect(text).not.toContain(marker);
      if (outcome !== 'refused' && outcome !== 'too large') continue;
      const [{ body, headers }] = answers as [RawAnswer];
      expect(headers).toMatchObject({ connection: 'close', 'content-type': 'application/problem+json' });
      // A HEAD is answered without a body.
      if (body !== '' || !bytes.startsWith('HEAD'))
        expect(JSON.parse(body)).toMatchObject({
          type: 'https://espalier.dev/problems/invalid-request',
          status: want.statuses[0],
          owner: 'caller',
        });
    }
    expect(new Set(seen.map(({ answers }) => JSON.stringify(answers))).size).toBe(1);
  }

  describe.each(['data', 'admin', 'ops'] as const)('to the %s listener', (listener) => {
    it.each(requestRows)('$attack: $outcome', (row) => holds(row, listener, good[listener]));
  });

  it.each(['data', 'admin'] as const)(
    'to the %s listener: two credentials open nothing',
    async (listener) => {
      const the = good[listener];
      for (const second of the.lines) {
        const bytes = goodBytes({
          ...the,
          lines: [...the.lines, second.replace(/^X-.*/, 'Authorization: x')],
        });
        for (const gateway of gateways) {
          const { answers } = await ask(gateway[listener], bytes, 1);
          expect(answers.map(({ status }) => status)).toEqual([401]);
        }
      }
    },
  );

  describe.each(['data', 'admin'] as const)('with a body to the %s listener', (listener) => {
    it.each(chunkRows)('$attack: $outcome', (row) => holds(row, listener, taking[listener]));
  });
});
