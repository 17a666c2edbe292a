import { expect, it } from 'vitest';
import { databaseUrlProblem, describeDatabaseUrl } from './database-url.ts';

it.each([
  'postgres://app:open@sesame@db.example/app',
  'postgres://app:12/sesame@db.example/app',
  'postgres://app:open@12/sesame@db.example/app',
  'postgres://app:12?sesame@db.example/app',
  'postgres://app:12?open/sesame@db.example/app',
  'postgres://app:12?sesame=1/2@db.example/app',
])('nothing is shown of a password that is not percent-encoded: %s', (url) => {
  const problem = databaseUrlProblem(url, { environment: {} });
  // A URL that libpq reads as it was meant is read the same here.
  if (problem === undefined) expect(describeDatabaseUrl(url)).toBe('db.example:5432/app');
  else {
    expect(problem).toMatch(/password.*%40/);
    expect(problem).not.toMatch(/sesame/);
  }
});

it.each([
  ['postgres://app:p%40ss@db.example/a%40b', 'db.example:5432/a@b'],
  ['postgres://db.example:5433/app?application_name=a@b', 'db.example:5433/app'],
  ['postgres:///app?host=@socket', '@socket/app'],
])('an @ that is encoded, or in a parameter, is read: %s', (url, shown) => {
  expect(databaseUrlProblem(url, { environment: {} })).toBeUndefined();
  expect(describeDatabaseUrl(url)).toBe(shown);
});
