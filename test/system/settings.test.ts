import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandLine, createCommandLine } from '../harness/command.ts';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { bootstrapKey, type Scene, startScene } from '../harness/gateway.ts';

/** The settings in force: in the admin API, on their page, and by both commands. None of them shows a secret. */

const secrets = {
  ESPALIER_ENTRA_CLIENT_SECRET_USGOV: 'sesame-of-the-connector',
  ESPALIER_ENTRA_CLIENT_SECRET_USGOV_NEXT: 'sesame-of-the-next-connector',
  ESPALIER_SECRETS_KEY: `${Buffer.alloc(32, 7).toString('base64')},${Buffer.alloc(32, 9).toString('base64')}`,
};
/** Read by reference, such as the secret of an instance's API client. */
const referenced = { ESPALIER_INSTANCE_BERLIN: 'sesame-of-berlin' };

let scene: Scene;
let command: CommandLine;
let admin: ConsoleVisit;
const keys: Record<string, string> = {};

beforeAll(async () => {
  scene = await startScene({
    world: { clouds: ['public'], tenants: [{ instances: [] }] },
    environment: {
      ...secrets,
      ...referenced,
      ESPALIER_ENTRA_CLIENT_ID_USGOV: '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
      ESPALIER_OPERATOR_TENANTS: '72f988bf-86f1-41af-91ab-2d7cd011db47',
      ESPALIER_OPERATOR_CLIENT_ID: '0a1725ec-5d4f-4bb8-a1b5-3c4d5e6f7081',
      ESPALIER_OPERATOR_CLIENT_SECRET: 'sesame-of-the-operators',
    },
  });
  const tenants = [scene.world.tenants[0]!.tenantId];
  for (const [name, given] of Object.entries({
    viewer: { role: 'viewer' },
    bound: { role: 'admin', tenants },
  }))
    keys[name] = (await scene.api('POST', '/keys', { name, ...given })).json.key;
  command = createCommandLine({
    ESPALIER_URL: scene.gateway.admin,
    ESPALIER_API_KEY: bootstrapKey,
    NODE_EXTRA_CA_CERTS: `${scene.environment.ESPALIER_DATA_DIR}/tls.crt`,
  });
  admin = await visitConsole(scene);
}, 120_000);
afterAll(() => scene?.close());

/** Of all that is secret, what a text holds. */
function secretsIn(text: string): string[] {
  const values = [
    ...Object.values(secrets).flatMap((value) => value.split(',')),
    ...Object.values(referenced),
    new URL(scene.environment.DATABASE_URL ?? '').password,
    'sesame',
    bootstrapKey,
  ];
  expect(values.filter((value) => value.length < 6)).toEqual([]);
  return values.filter((value) => text.includes(value));
}

describe('settings', () => {
  it('are read by a viewer of all tenants, with what is set beside the defaults', async () => {
    const { json, status, text } = await scene.api('GET', '/settings', undefined, keys.viewer);
    expect(status).toBe(200);
    expect(json.totalCount).toBe(json.results.length);
    const byName = new Map(json.results.map((one: { name: string }) => [one.name, one]));
    expect(byName.get('ESPALIER_POLL_SECONDS')).toMatchObject({ value: '0', set: true, default: '900' });
    expect(byName.get('ESPALIER_HISTORY_DAYS')).toMatchObject({ value: '730', set: false });
    expect(byName.get('ESPALIER_SECRETS_KEY')).toMatchObject({ value: '********', secret: true });
    const { host, pathname } = new URL(scene.database.url);
    expect(byName.get('DATABASE_URL')).toMatchObject({ value: `postgresql://********@${host}${pathname}` });
    expect(secretsIn(text)).toEqual([]);
  });

  it('are refused to who is bound to tenants, whose console has no entry for them', async () => {
    const refused = await scene.api('GET', '/settings', undefined, keys.bound);
    expect([refused.status, refused.text.includes('72f988bf')]).toEqual([403, false]);
    const bound = await visitConsole(scene, keys.bound);
    expect((await bound.open('/tenants')).text).not.toContain('href="/settings"');
    expect((await bound.open('/settings')).status).toBe(403);
    expect((await admin.open('/tenants')).text).toContain('href="/settings"');
  });

  it('are a page, which can be narrowed to what is set', async () => {
    const page = (await admin.open('/settings')).text;
    expect(page).toContain('<h2>Telling Intune</h2>');
    expect(page).toContain('ESPALIER_HISTORY_DAYS');
    expect(page).toContain('<code>off</code> only where a load balancer terminates TLS');
    const narrowed = (await admin.open('/settings?show=set')).text;
    expect(narrowed).toContain('ESPALIER_POLL_SECONDS');
    expect(narrowed).not.toContain('ESPALIER_HISTORY_DAYS');
    expect(secretsIn(page + narrowed)).toEqual([]);
  });

  it('are shown alike by the command on the server and by the one on this machine', async () => {
    const ofServer = await command.run(['settings', '-o', 'json']);
    expect(ofServer.code).toBe(0);
    const ofMachine = await command.run(['config'], { environment: { ...scene.environment } });
    expect([ofMachine.code, ofMachine.stderr]).toEqual([0, '']);
    for (const { name, set, value } of ofServer.json().results.filter(({ set }: { set: boolean }) => set))
      expect({ set, line: ofMachine.stdout.split('\n').find((line) => line.startsWith(`${name}=`)) }).toEqual(
        {
          set: true,
          line: `${name}=${value}`,
        },
      );
    expect(secretsIn(ofServer.stdout + ofMachine.stdout)).toEqual([]);
  });
});
