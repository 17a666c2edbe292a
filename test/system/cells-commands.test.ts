import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cell, startTwoCells, type TwoCells } from '../harness/cells.ts';
import { eventually } from '../harness/eventually.ts';
import { bootstrapKey, connectTenant, type Scene, startScene } from '../harness/gateway.ts';
import { type CommandResult, runCommand } from '../harness/run-espalier.ts';

/** `espalier tenants move-out` and `move-in`, as an operator types them (docs/cells.md). */
describe('the commands of a move between cells', () => {
  let scene: Scene;
  let cells: TwoCells;
  let tenantId: string;
  const dir = mkdtempSync(join(tmpdir(), 'espalier-move-'));
  const file = join(dir, 'contoso.sealed');

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    await connectTenant(scene, tenantId);
    cells = await startTwoCells(scene);
  }, 120_000);
  afterAll(async () => {
    await cells?.close();
    await scene?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const run = (cell: Cell, args: readonly string[], stdin?: string): Promise<CommandResult> => {
    const trust = join(dir, `${new URL(cell.process().admin).port}.crt`);
    writeFileSync(trust, cell.trust);
    return runCommand(['tenants', ...args, '-o', 'json'], {
      environment: {
        HOME: dir,
        ESPALIER_URL: cell.process().admin,
        ESPALIER_API_KEY: bootstrapKey,
        ESPALIER_CA_FILE: trust,
      },
      ...(stdin === undefined ? {} : { stdin }),
    });
  };

  it('write the file, show its key once, and take it in with that key', { timeout: 120_000 }, async () => {
    const trial = await run(cells.first, ['move-out', tenantId, '--to', file, '--dry-run']);
    expect(trial, trial.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(trial.stdout)).toMatchObject({ state: 'here', dryRun: true });
    const unasked = await run(cells.first, ['move-out', tenantId, '--to', file]);
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('--yes')]);

    const leaving = run(cells.first, ['move-out', tenantId, '--to', file, '--yes', '--reason', 'CHG-1']);
    await eventually(async () => {
      const aged = await cells.first.database.sql`
        update placements set fenced_at = fenced_at - interval '65 seconds' where tenant_id = ${tenantId}`;
      expect(aged.count).toBe(1);
    });
    const left = await leaving;
    expect(left, left.stderr).toMatchObject({ code: 0 });
    const { key, state } = JSON.parse(left.stdout);
    expect([state, existsSync(file), statSync(file).mode & 0o777]).toEqual(['ready', true, 0o600]);
    expect(key).toMatch(/^[\w-]{43}$/);

    const status = await run(cells.first, ['move-out-status', tenantId]);
    expect(JSON.parse(status.stdout).sealedAt).not.toBeNull();
    const kept = await run(cells.first, ['move-out-cancel', tenantId, '--yes']);
    expect([kept.code, kept.stderr]).toEqual([1, expect.stringContaining('force')]);

    const wrong = await run(cells.second, ['move-in', file, '--key', '-'], `${'A'.repeat(43)}\n`);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('does not open')]);
    const arrived = await run(cells.second, ['move-in', file, '--key', '-', '--reason', 'CHG-2'], `${key}\n`);
    expect(arrived, arrived.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(arrived.stdout)).toMatchObject({ tenantId, already: false });
    const to = ['--to', cells.second.publicUrl, '--until'];
    const relayed = await run(cells.first, ['relay', tenantId, ...to, '2100-01-31', '--reason', 'CHG-3']);
    const relay = { to: cells.second.publicUrl, until: '2100-01-31T00:00:00.000Z' };
    expect(JSON.parse(relayed.stdout), relayed.stderr).toMatchObject({ state: 'ready', relay });
    const undated = await run(cells.first, ['relay', tenantId, ...to, 'soon']);
    expect([undated.code, undated.stderr]).toEqual([1, expect.stringContaining('until')]);
    const removal = await run(cells.first, ['delete', tenantId, '--force', '--dry-run']);
    expect(JSON.parse(removal.stdout)).toMatchObject({ dryRun: true, relay });
    const ended = await run(cells.first, ['relay-cancel', tenantId, '--yes']);
    expect(JSON.parse(ended.stdout), ended.stderr).toMatchObject({ relay: null });

    const { json } = await cells.second.api('GET', '/history?filter=action==tenant.move-*');
    const reasons = json.results.map(({ reason }: { reason: string | null }) => reason);
    expect(reasons).toEqual(expect.arrayContaining(['CHG-1', 'CHG-2']));
  });
});
