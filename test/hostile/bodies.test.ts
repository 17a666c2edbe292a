import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeFault } from '../../src/cli/declared/fault.ts';
import { parseFiles } from '../../src/cli/declared/parse.ts';
import {
  type AddedInstance,
  bootstrapKey,
  connectTenant,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';
import { type BodyRow, type BodyTarget, bodyRows, marker, yamlRows } from './bodies.ts';

/** The process survives each body and answers it rightly; large ones are in large-bodies.test.ts. */
describe('bodies', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
  });
  afterAll(() => scene?.close());

  const send = (
    to: BodyTarget,
    headers: Record<string, string>,
    body: string | Uint8Array,
  ): Promise<Answer> => {
    const { admin, data } = scene.gateway;
    const jamf = { 'x-api-key': berlin.key };
    const operator = { authorization: `Bearer ${bootstrapKey}` };
    const [url, credential] = {
      webhook: [`${data}/jamf/${berlin.id}/webhooks`, jamf] as const,
      inventory: [`${data}/jamf/${berlin.id}/inventory`, jamf] as const,
      tenant: [`${admin}/api/v1/tenants`, operator] as const,
      import: [`${admin}/api/v1/tenants/${tenantId}/devices/import`, operator] as const,
    }[to];
    return call(url, { method: 'POST', ca: scene.trust, headers: { ...credential, ...headers }, body });
  };

  it.each(bodyRows.map((row): [string, BodyRow] => [`${row.to}: ${row.attack}: ${row.status}`, row]))(
    '%s',
    async (_, { body, encoding, status, to, type }) => {
      const given =
        typeof body === 'string'
          ? body.replace('{device}', crypto.randomUUID()).replace('{instance}', berlin.id)
          : body;
      const headers = {
        ...(type === '' ? {} : { 'content-type': type }),
        ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
      };
      const answer = await send(to, headers, given);
      expect(answer.status, answer.text).toBe(status);
      expect(answer.text).not.toContain(marker);
      expect(answer.text).not.toContain('root:');
      if (status >= 400) expect(answer.headers['content-type']).toBe('application/problem+json');
      const next = await send(
        'webhook',
        { 'content-type': 'application/json' },
        webhookBody('ComputerCheckIn', 1),
      );
      expect(next.status).toBe(202);
    },
  );

  it('whatever came, the log has no error of the gateway', () => {
    expect(scene.gateway.output()).not.toMatch(/"event":"(?:request\.failed|uncaught)/);
  });
});

describe('declarations', () => {
  it.each(yamlRows)('%s is refused in words', (_, text) => {
    const readFile = (path: string): string => expect.fail(`read ${path}`);
    const { faults } = parseFiles([{ name: 'espalier.yaml', text, dir: '/conf' }], readFile);
    expect(faults.length).toBeGreaterThan(0);
    for (const fault of faults) expect(describeFault(fault)).toMatch(/^[\x20-\x7e‘’“”…–—]{5,600}$/);
    expect({}).not.toHaveProperty('isAdmin');
  });
});
