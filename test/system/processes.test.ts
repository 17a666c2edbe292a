import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
  startProcess,
  startScene,
} from '../harness/gateway.ts';
import { type OwnInstance, sendJson, startOwnInstance } from '../harness/own-instance.ts';
import { freePort } from '../harness/ports.ts';
import { metricOf, type ProcessSeen, processesIn } from '../harness/processes.ts';

/** `serve` on several processes (docs/processes.md): what a caller, an operator and a balancer see of them. */

const patientMs = 60_000;
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('serve on two processes', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  let own: OwnInstance;
  let token: string;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 4 }] }] },
      environment: { ESPALIER_PROCESSES: '2' },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    own = await startOwnInstance(scene, tenantId, 'own');
    own.answer = (_, response) => sendJson(response, 200, { id: '4711', udid: 'u', complianceState: 'ok' });
    token = await callerToken(scene, tenantId);
  }, 120_000);
  afterAll(async () => {
    await own?.close();
    await scene?.close();
  });

  const seen = (): ProcessSeen => processesIn(scene.gateway.output());
  const ready = async () => {
    const answer = await fetch(`${scene.gateway.ops}/health/ready`);
    return [answer.status, await answer.json()] as const;
  };
  const bothReady = () =>
    eventually(async () => {
      expect(await ready()).toEqual([200, { status: 'ready' }]);
      expect(seen().running).toHaveLength(2);
    }, patientMs);
  const metrics = async (): Promise<string> => (await fetch(`${scene.gateway.ops}/metrics`)).text();
  const answered = async (status: string): Promise<number> =>
    metricOf(await metrics(), 'espalier_requests_total', { listener: 'data', status });
  const path = () => `/t/${tenantId}/devices/${own.deviceId}/compliance`;
  const ask = () => scene.data(path(), { headers: { authorization: `Bearer ${token}` } });
  const told = new Set<number>();
  const tell = async (jamfId: number): Promise<void> => {
    expect((await sendWebhook(scene, berlin, jamfId)).status).toBe(202);
    told.add(jamfId);
  };
  const allDelivered = () =>
    eventually(async () => {
      const { json } = await scene.api('GET', `/reports?filter=instanceId==${berlin.id};state==verified`);
      expect(json.totalCount).toBe(told.size);
    }, patientMs);

  /** Calls over kept connections, as a balancer or Microsoft's side sends them, or over a new one each. */
  const startCalls = ({ keepAlive = true } = {}) => {
    const agent = new Agent({ keepAlive, maxSockets: 8, ca: scene.trust });
    const failures: string[] = [];
    const under = new Set<Promise<void>>();
    let sent = 0;
    const send = (): Promise<void> =>
      new Promise((resolve) => {
        const fail = (how: string): void => {
          failures.push(how);
          resolve();
        };
        const outgoing = request(
          new URL(path(), scene.gateway.data),
          { agent, headers: { authorization: `Bearer ${token}` } },
          (incoming) => {
            incoming.resume();
            incoming.on('error', (error) => fail(error.message));
            incoming.on('end', () =>
              incoming.statusCode === 200 ? resolve() : fail(`answered ${incoming.statusCode}`),
            );
          },
        );
        outgoing.on('error', (error) => fail(error.message));
        outgoing.end();
      });
    const timer = setInterval(() => {
      if (under.size >= 8) return;
      sent += 1;
      const one: Promise<void> = send().finally(() => under.delete(one));
      under.add(one);
    }, 20);
    return {
      failures,
      sent: () => sent,
      stop: async () => {
        clearInterval(timer);
        await Promise.all(under);
        agent.destroy();
      },
    };
  };
  const open = async (options: { session?: Buffer; maxVersion?: 'TLSv1.2' } = {}): Promise<TLSSocket> => {
    const { port } = new URL(scene.gateway.data);
    const socket = connect({ port: Number(port), servername: 'localhost', ca: scene.trust, ...options });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    return socket;
  };
  const askOn = async (socket: TLSSocket): Promise<string> => {
    socket.write('GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return answer.toString().slice(0, 12);
  };

  it('says once that it is ready, when both are', async () => {
    expect(scene.gateway.output().match(/"event":"ready"/g)).toHaveLength(1);
    expect(seen().running.map(({ number }) => number)).toEqual([1, 2]);
    expect(await ready()).toEqual([200, { status: 'ready' }]);
    expect((await fetch(`${scene.gateway.ops}/health/live`)).status).toBe(200);
  });

  it('answers at one address with both, connection by connection, and counts for both', async () => {
    const [from, before] = [scene.gateway.output().length, await answered('404')];
    for (let nth = 0; nth < 6; nth += 1) expect((await scene.data('/nothing')).status).toBe(404);
    const by = scene.gateway
      .output()
      .slice(from)
      .split('\n')
      .filter((line) => line.includes('"event":"request"') && line.includes('"status":404'))
      .map((line) => JSON.parse(line).process);
    expect(new Set(by)).toEqual(new Set([1, 2]));
    expect(await answered('404')).toBe(before + 6);
  });

  it('answers device calls, and delivers with one of them', async () => {
    for (let nth = 0; nth < 4; nth += 1) expect((await ask()).status).toBe(200);
    await tell(1);
    await tell(2);
    await allDelivered();
    expect(scene.gateway.output().match(/"event":"process.delivers"/g)).toHaveLength(1);
    // Counts of the database are read once in ten seconds, by the one that delivers, and are not summed.
    await eventually(async () => {
      const text = await metrics();
      expect(metricOf(text, 'espalier_reports', { state: 'verified' })).toBe(2);
      expect(metricOf(text, 'espalier_instance_up')).toBe(2);
    }, patientMs);
  }, 120_000);

  it.each([undefined, 'TLSv1.2'] as const)(
    'resumes a TLS session at whichever process (%s)',
    async (maxVersion) => {
      const version = maxVersion === undefined ? {} : { maxVersion };
      const first = await open(version);
      const session = Promise.withResolvers<Buffer>();
      first.on('session', session.resolve);
      await askOn(first);
      const known = maxVersion === undefined ? await session.promise : first.getSession();
      first.destroy();
      for (let nth = 0; nth < 4; nth += 1) {
        const again = await open({ ...version, session: known! });
        expect(again.isSessionReused()).toBe(true);
        again.destroy();
      }
    },
  );

  it('loses only the connections of a process that is killed, and no count', async () => {
    await bothReady();
    const sockets = [await open(), await open()];
    for (const socket of sockets) expect(await askOn(socket)).toBe('HTTP/1.1 404');
    const before = await answered('404');
    const { delivering, running } = seen();
    const victim = running.find(({ pid }) => pid !== delivering)!;
    process.kill(victim.pid, 'SIGKILL');
    await eventually(() => expect(sockets.filter(({ destroyed }) => destroyed)).toHaveLength(1));
    const left = sockets.find(({ destroyed }) => !destroyed)!;
    expect(await askOn(left)).toBe('HTTP/1.1 404');
    for (let nth = 0; nth < 4; nth += 1) expect((await scene.data('/nothing')).status).toBe(404);
    expect(await answered('404')).toBe(before + 5);
    left.destroy();
    await bothReady();
    expect(seen().running.map(({ pid }) => pid)).not.toContain(victim.pid);
    expect(seen().delivering).toBe(delivering);
    expect(await answered('404')).toBe(before + 5);
  }, 120_000);

  it('goes on delivering when the one that delivers is killed', async () => {
    const { delivering } = seen();
    process.kill(delivering!, 'SIGKILL');
    // A connection that is handed to a process just then is one of its own.
    await eventually(() =>
      expect(scene.gateway.output()).toContain(`"pid":${delivering},"signal":"SIGKILL"`),
    );
    await tell(3);
    await allDelivered();
    expect(seen().delivering).not.toBe(delivering);
    await bothReady();
  }, 150_000);

  it('starts a process anew that is killed while connections are on their way to it', async () => {
    await bothReady();
    const { delivering, running } = seen();
    const victim = running.find(({ pid }) => pid !== delivering)!;
    // It takes nothing any more, so that what is handed to it is still on its way when it dies.
    process.kill(victim.pid, 'SIGSTOP');
    const { port } = new URL(scene.gateway.data);
    const sockets = Array.from({ length: 6 }, () =>
      connect({ port: Number(port), servername: 'localhost', ca: scene.trust }),
    );
    for (const socket of sockets) socket.on('error', () => undefined);
    await eventually(() => expect(sockets.filter((one) => one.authorized).length).toBeGreaterThan(2));
    process.kill(victim.pid, 'SIGKILL');
    await eventually(() => expect(seen().running.map(({ pid }) => pid)).not.toContain(victim.pid));
    for (const socket of sockets) socket.destroy();
    await bothReady();
  }, 120_000);

  it('is replaced process by process at SIGHUP without a failed call', async () => {
    const before = seen();
    const calls = startCalls();
    // A process on its way must not be given connections that it cannot answer yet.
    const newcomers = startCalls({ keepAlive: false });
    await eventually(() => expect(Math.min(calls.sent(), newcomers.sent())).toBeGreaterThan(20));
    scene.gateway.process.kill('SIGHUP');
    await eventually(
      () => expect(scene.gateway.output()).toContain('"event":"processes.replaced"'),
      2 * patientMs,
    );
    await Promise.all([calls.stop(), newcomers.stop()]);
    expect([calls.failures, newcomers.failures]).toEqual([[], []]);
    const pids = seen().running.map(({ pid }) => pid);
    expect(pids).toHaveLength(2);
    for (const { pid } of before.running) {
      expect(pids).not.toContain(pid);
      expect(isAlive(pid)).toBe(false);
    }
    await tell(4);
    await allDelivered();
    expect(pids).toContain(seen().delivering);
  }, 240_000);

  it('refuses a second serve on its data directory, with the pid', async () => {
    const { pid } = scene.gateway.process;
    for (const processes of ['2', '1']) {
      const refused = await scene.another({ ESPALIER_PROCESSES: processes }).then(
        (other) => other.kill(),
        (error: Error) => error.message,
      );
      expect(refused).toMatch(/ended with 1:/);
      expect(refused).toMatch(
        new RegExp(`^ESPALIER_DATA_DIR .* is in use by another process, pid ${pid}`, 'm'),
      );
    }
  }, 60_000);

  it('ends at SIGTERM when what was asked for is answered, whoever sends the signal to all', async () => {
    await scene.gateway.stop();
    await scene.start({ ESPALIER_DRAIN_DELAY_SECONDS: '600' });
    const { pid } = scene.gateway.process;
    const { running } = seen();
    const calls = startCalls();
    await eventually(() => expect(calls.sent()).toBeGreaterThan(20));
    const exited = once(scene.gateway.process, 'exit');
    // As systemd does it.
    for (const one of [pid!, ...running.map((each) => each.pid)]) process.kill(one, 'SIGTERM');
    await eventually(async () => expect((await ready())[0]).toBe(503));
    const sent = calls.sent();
    await eventually(() => expect(calls.sent()).toBeGreaterThan(sent + 20));
    await calls.stop();
    expect(calls.failures).toEqual([]);
    scene.gateway.process.kill('SIGINT');
    expect(await exited).toEqual([0, null]);
    for (const one of running) expect(isAlive(one.pid)).toBe(false);
    await scene.start({ ESPALIER_DRAIN_DELAY_SECONDS: '0' });
  }, 180_000);

  it('leaves no process behind when the supervisor is killed', async () => {
    const { running } = seen();
    await scene.gateway.kill();
    await eventually(() => expect(running.filter(({ pid }) => isAlive(pid))).toEqual([]));
    await scene.start();
    await bothReady();
  }, 120_000);
});

describe('a serve on two processes that cannot start', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene({ world: { clouds: ['public'], tenants: [{ instances: [] }] } });
  }, 120_000);
  afterAll(() => scene?.close());
  const settings = async () => ({
    ...scene.environment,
    ESPALIER_PROCESSES: '2',
    ESPALIER_DATA_DIR: join(scene.environment.ESPALIER_DATA_DIR!, 'other'),
    ESPALIER_DATA_LISTEN: `127.0.0.1:${await freePort()}`,
    ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
  });

  it('says why once', async () => {
    const taken = { ...(await settings()), ESPALIER_DATA_LISTEN: scene.environment.ESPALIER_DATA_LISTEN! };
    const refused = await startProcess(taken).catch((error: Error) => error.message);
    expect(refused).toMatch(/ended with 1:/);
    expect(String(refused).match(/ESPALIER_DATA_LISTEN .* is taken by another process/g)).toHaveLength(1);
  }, 60_000);

  it('ends with the cause when no process is left and none can be started', async () => {
    const environment = await settings();
    const { certificatePem, keyPem } = await scene.world.authority.issue(['localhost']);
    const [certFile, keyFile] = ['own.crt', 'own.key'].map((name) =>
      join(scene.environment.ESPALIER_DATA_DIR!, name),
    ) as [string, string];
    writeFileSync(certFile, certificatePem);
    writeFileSync(keyFile, keyPem);
    const gateway = await startProcess({
      ...environment,
      ESPALIER_TLS_CERT_FILE: certFile,
      ESPALIER_TLS_KEY_FILE: keyFile,
    });
    const exited = once(gateway.process, 'exit');
    writeFileSync(certFile, 'nothing');
    for (const { pid } of processesIn(gateway.output()).running) process.kill(pid, 'SIGKILL');
    expect(await exited).toEqual([1, null]);
    await wait(100);
    expect(gateway.output().match(/^ESPALIER_TLS_CERT_FILE .*$/gm)).toHaveLength(1);
  }, 180_000);
});
