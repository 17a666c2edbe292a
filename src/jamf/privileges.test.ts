import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { neededPrivileges } from './privileges.ts';
import { recommendedEvents } from './webhook-events.ts';

/** The set-up of Jamf Pro for its administrator is defined in one place; the documents repeat it. */
describe('what is set up in Jamf Pro', () => {
  const text = (name: string): string =>
    readFileSync(join(import.meta.dirname, '../..', name), 'utf8').replace(/\s+/g, ' ');

  it('has the privileges that the documents list, in the same order', () => {
    const names = Object.values(neededPrivileges).map(({ name }) => `\`${name}\``);
    const listed = /whose role has exactly: (.*?) \(/.exec(text('docs/connect.md'))?.[1];
    expect(listed).toBe(names.join(', '));
    for (const name of names) expect(text('docs/doctor.md')).toContain(name);
  });

  it('has the events that the page lists', () => {
    const [listed = ''] = /In Jamf Pro add webhooks for (.*?) to /.exec(text('docs/connect.md')) ?? [];
    const names = [...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    expect(names).toEqual(recommendedEvents.map(({ event }) => event));
  });
});
