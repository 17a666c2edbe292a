const iso8601Utc = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

export const isUtcTimestamp = (value: unknown): value is string =>
  typeof value === 'string' && iso8601Utc.test(value) && !Number.isNaN(Date.parse(value));
