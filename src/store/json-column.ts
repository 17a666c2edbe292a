import { customType } from 'drizzle-orm/pg-core';

/** A `jsonb` column whose value the client writes and reads as JSON: drizzle's own would hand it text, which is JSON too. */
export const json = <Value>(name: string) =>
  customType<{ data: Value; driverData: Value }>({ dataType: () => 'jsonb' })(name);
