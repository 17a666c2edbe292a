import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createAssignments } from '../../src/store/operators.ts';
import { createTestDatabase } from '../harness/database.ts';

/** The bindings of Entra's operators in memory are as old as the last look that could be taken, and a snapshot is dated so. */
it('remembered assignments are as old as the last look that went well', async () => {
  const { drop, sql } = await createTestDatabase();
  try {
    const [entraTenantId, objectId, tenantId] = [
      crypto.randomUUID(),
      crypto.randomUUID(),
      crypto.randomUUID(),
    ];
    const assignments = createAssignments(sql);
    expect(assignments.readForMs()).toBe(Number.POSITIVE_INFINITY);
    assignments.restore([{ entraTenantId, objectId, tenantIds: null }]);
    expect(assignments.readForMs(), 'of an earlier process').toBe(Number.POSITIVE_INFINITY);
    await sql`
      insert into operators (entra_tenant_id, object_id, tenant_ids, assigned_at)
      values (${entraTenantId}, ${objectId}, ${[tenantId]}, now())`;
    await assignments.read();
    expect(assignments.bindingOf({ entraTenantId, objectId })).toEqual({ tenantIds: [tenantId] });
    expect(assignments.readForMs()).toBeLessThan(Number.POSITIVE_INFINITY);
    await sql`alter table operators rename to hidden_operators`;
    await wait(20);
    await expect(assignments.read()).rejects.toThrow('operators');
    expect(assignments.readForMs(), 'since the one before').toBeGreaterThanOrEqual(20);
    expect(assignments.bindingOf({ entraTenantId, objectId })).toEqual({ tenantIds: [tenantId] });
  } finally {
    await drop();
  }
});
