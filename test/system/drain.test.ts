import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Listener } from '../../src/runtime/node-http.ts';
import { eventually } from '../harness/eventually.ts';
import { addInstance, type GatewayProcess, type Scene, startScene, webhookBody } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import { type LaneScene, openCaller, type RawCaller, startLaneScene } from '../harness/lane-scene.ts';
import { bodyOf, rawCall } from '../harness/raw-call.ts';
import { testedSockets } from '../harness/sockets.ts';

/** How a listener and a process end: nothing that was asked for is lost (docs/architecture.md, "Start and end"). */

describe.each([
  ['with the lane', true],
  ['without the lane', false],
])('a listener that ends, %s', (_, hasLane) => {
  let scene: LaneScene;
  let listener: Listener;
  let request: string;
  let waiting: Socket[];
  const answer = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}';
  beforeAll(async () => {
    scene = await startLaneScene();
    const device = await scene.device();
    request = `GET /t/${scene.tenantId}/devices/${device}/compliance HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${scene.token()}\r\n\r\n`;
  });
  beforeEach(async () => {
    waiting = [];
    scene.answer = (socket) => socket.write(answer);
    listener = await scene.listen({ callerIdleMs: 60_000, ...(hasLane ? { sockets: testedSockets } : {}) });
  });
  afterAll(() => scene?.close());

  const open = (): Promise<RawCaller> => openCaller(Number(new URL(listener.origin).port));
  const ask = async (caller: RawCaller, answers: number): Promise<void> => {
    caller.socket.write(request);
    await caller.until(answers);
  };
  const connectionOf = (caller: RawCaller): unknown[] =>
    caller.answers().map((one) => ('headers' in one ? one.headers.connection : one));

  it('first says so with its answers, and serves old and new connections', async () => {
    const [kept, busy] = [await open(), await open()];
    await ask(kept, 1);
    scene.answer = (socket) => waiting.push(socket);
    busy.socket.write(request);
    await eventually(() => expect(waiting).toHaveLength(1));
    listener.closeAfterAnswers();
    scene.answer = (socket) => socket.write(answer);
    waiting[0]?.write(answer);
    await busy.until(1);
    expect(connectionOf(busy)).toEqual(['close']);
    const fresh = await open();
    await ask(fresh, 1);
    expect(connectionOf(fresh)).toEqual(['close']);
    expect(kept.isClosed()).toBe(false);
    await ask(kept, 2);
    expect(connectionOf(kept)).toEqual(['keep-alive', 'close']);
    await eventually(() =>
      expect([kept, busy, fresh].map((one) => one.isClosed())).toEqual([true, true, true]),
    );
    await listener.drain(1_000);
  });

  it('keeps a connection whose answer had begun before', async () => {
    const caller = await open();
    scene.answer = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n{ ');
      waiting.push(socket);
    };
    caller.socket.write(request);
    await eventually(() => expect(caller.text()).toContain('200 OK'));
    listener.closeAfterAnswers();
    scene.answer = (socket) => socket.write(answer);
    waiting[0]?.write(' }');
    await caller.until(1);
    await ask(caller, 2);
    expect(connectionOf(caller)).toEqual(['keep-alive', 'close']);
    await listener.drain(1_000);
  });

  it('then ends what is idle in order, and never by a reset', async () => {
    const callers = await Promise.all(Array.from({ length: 20 }, open));
    await Promise.all(callers.map((caller) => ask(caller, 1)));
    const errors: string[] = [];
    const ended = callers.map(({ socket }) => {
      socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? error.message));
      // It sends another request before it can know.
      socket.once('end', () => socket.write(request));
      return once(socket, 'close');
    });
    await Promise.all([listener.drain(10_000), ...ended]);
    expect(errors).toEqual([]);
    expect(callers.map((caller) => caller.answers().length)).toEqual(callers.map(() => 1));
  });

  it('answers a request whose head had begun to come', async () => {
    const caller = await open();
    await ask(caller, 1);
    caller.socket.write(request.slice(0, 20));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const drained = listener.drain(10_000);
    caller.socket.write(request.slice(20));
    await drained;
    await caller.until(2);
    expect(connectionOf(caller)).toEqual(['keep-alive', 'close']);
  });
});

describe('a process that ends', () => {
  let scene: Scene;
  let tenantId: string;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    await scene.api('POST', '/tenants', { tenantId, cloud: 'public', displayName: 'T' });
  });
  afterAll(() => scene?.close());
  const started: GatewayProcess[] = [];
  afterEach(async () => {
    for (const { kill, process } of started.splice(0)) if (process.exitCode === null) await kill();
  });
  const another = async (delaySeconds: string): Promise<GatewayProcess> => {
    const gateway = await scene.another({ ESPALIER_DRAIN_DELAY_SECONDS: delaySeconds });
    started.push(gateway);
    return gateway;
  };

  const ready = async ({ ops }: GatewayProcess) => {
    const answer = await fetch(`${ops}/health/ready`);
    const { reason } = (await answer.json()) as { reason?: string };
    return [answer.status, reason];
  };
  const exitOf = (gateway: GatewayProcess) =>
    new Promise<number | null>((resolve) => {
      if (gateway.process.exitCode !== null) resolve(gateway.process.exitCode);
      gateway.process.once('exit', (code) => resolve(code));
    });
  const processesOf = async (): Promise<string[]> => {
    const { json } = await scene.api('GET', `/tenants/${tenantId}/routes/convergence`);
    return json.processes.map((one: { process: string }) => one.process);
  };

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'is not ready and serves on until its delay ends, which a second %s does',
    async (second) => {
      const gateway = await another('600');
      const exited = exitOf(gateway);
      const { id, key } = await addInstance(scene, tenantId, 'berlin', { name: second });
      const body = webhookBody('ComputerCheckIn', 1);
      const headers = {
        'content-type': 'application/json',
        'x-api-key': key,
        'content-length': `${body.length}`,
      };
      const webhook = (write: Parameters<typeof rawCall>[1]) =>
        rawCall(
          { origin: gateway.data, ca: scene.trust, method: 'POST', path: `/jamf/${id}/webhooks`, headers },
          write,
        );
      expect(await ready(gateway)).toEqual([200, undefined]);

      gateway.process.kill('SIGTERM');
      await eventually(async () => expect(await ready(gateway)).toEqual([503, 'draining']));
      expect((await fetch(`${gateway.ops}/health/live`)).status).toBe(200);
      const { incoming } = await webhook((request) => request.end(body));
      expect([incoming.statusCode, incoming.headers.connection]).toEqual([202, 'close']);
      expect((await call(`${gateway.admin}/api/v1/version`, { ca: scene.trust })).headers.connection).toBe(
        'close',
      );
      await eventually(async () =>
        expect((await processesOf()).join()).toContain(`/${gateway.process.pid} (draining)`),
      );

      // Its body is on its way when the delay ends.
      let finish = (): void => undefined;
      const late = webhook((request) => {
        request.write(body.slice(0, 10));
        finish = () => request.end(body.slice(10));
      });
      await new Promise((resolve) => setTimeout(resolve, 200));
      gateway.process.kill(second);
      await eventually(() =>
        expect(call(`${gateway.data}/nothing`, { ca: scene.trust })).rejects.toThrow('ECONNREFUSED'),
      );
      expect(await ready(gateway)).toEqual([503, 'stopping']);
      finish();
      const answered = await late;
      expect(answered.incoming.statusCode).toBe(202);
      expect((await bodyOf(answered.incoming)).broken).toBe(false);
      expect(await exited).toBe(0);
      expect((await processesOf()).join()).not.toContain('draining');
    },
  );

  it('answers a probe of a balancer, which names no host', async () => {
    const probe = connect(Number(new URL(scene.gateway.ops).port), '127.0.0.1');
    probe.write('GET /health/ready HTTP/1.0\r\n\r\n');
    const [answer] = (await once(probe, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
    probe.destroy();
  });

  it('ends by itself when its delay is over', async () => {
    const gateway = await another('0.5');
    expect(await gateway.stop()).toBe(0);
  });

  it.each(['SIGINT', 'SIGHUP'] as const)('by %s waits for no balancer', async (signal) => {
    const gateway = await another('600');
    const exited = exitOf(gateway);
    gateway.process.kill(signal);
    expect(await exited).toBe(0);
  });

  it('a worker is live, ready and measured, and waits for no balancer', async () => {
    const worker = await scene.worker({ ESPALIER_DRAIN_DELAY_SECONDS: '600' });
    expect([worker.data, worker.admin]).toEqual([undefined, undefined]);
    expect((await fetch(`${worker.ops}/health/live`)).status).toBe(200);
    expect(await ready(worker)).toEqual([200, undefined]);
    expect(await (await fetch(`${worker.ops}/metrics`)).text()).toContain('espalier_reports');
    expect(await worker.stop()).toBe(0);
  });

  it('a worker whose port is taken does not start, and names the variable', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    await expect(scene.worker({ ESPALIER_OPS_LISTEN: `127.0.0.1:${port}` })).rejects.toThrow(
      /ended with 1:\n(?:.*\n)*ESPALIER_OPS_LISTEN 127\.0\.0\.1:\d+ is taken/,
    );
    taken.close();
  });
});
