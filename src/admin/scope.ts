import { type AnyColumn, type SQL, sql } from 'drizzle-orm';
import { makePgArray } from 'drizzle-orm/pg-core';
import type { Operator } from './context.ts';

/** Stands in every query over several tenants: another operator's tenants are as if they were not there. */
export const visibleTo = ({ tenantIds }: Pick<Operator, 'tenantIds'>, tenantId: AnyColumn): SQL =>
  tenantIds === undefined ? sql`true` : sql`${tenantId} = any(${makePgArray([...tenantIds])}::uuid[])`;

/** The database's clock. */
export const now: SQL = sql`now()`;
