import { describe, expect, it } from 'vitest';
import { exportsAtOnce, importsAtOnce } from '../limits.ts';
import {
  connectionBudget,
  defaultDatabaseConnections,
  intakeConnections,
  minDatabaseConnections,
} from './connection-budget.ts';

describe('the budget of connections', () => {
  it.each([minDatabaseConnections, 13, 14, 15, 16, defaultDatabaseConnections, 100])(
    'of %i is shared out to the last one, with something for everybody',
    (connections) => {
      const { durable, exports, imports, operators, relaxed } = connectionBudget(connections);
      const watchingAndPreload = 5;
      expect(durable + operators + relaxed + watchingAndPreload + imports + exports).toBe(connections);
      expect(Math.min(imports, exports)).toBeGreaterThan(0);
      expect(durable).toBeGreaterThan(relaxed);
      expect(relaxed).toBeGreaterThan(0);
      expect(operators).toBeGreaterThan(0);
    },
  );

  it.each([minDatabaseConnections, minDatabaseConnections + 1, defaultDatabaseConnections, 100, 1_000])(
    'of %i leaves connections to others whatever instances send, and some for either kind of write',
    (connections) => {
      const { durable } = connectionBudget(connections);
      const { apart, shared } = intakeConnections(durable);
      expect(apart).toBeGreaterThan(0);
      expect(shared).toBeGreaterThanOrEqual(apart);
      expect(durable - shared - apart).toBeGreaterThanOrEqual(durable / 4);
    },
  );

  it('has room for all imports and exports from four more than the least on', () => {
    const { exports, imports } = connectionBudget(minDatabaseConnections + 4);
    expect([imports, exports]).toEqual([importsAtOnce, exportsAtOnce]);
  });

  it("lets four processes into PostgreSQL's default of 100 connections, three of them reserved", () => {
    expect(4 * defaultDatabaseConnections).toBeLessThanOrEqual(97);
  });
});
