import { expect, it } from 'vitest';
import { explainedEvents } from '../../.ci/event-texts.ts';
import { logEvents } from '../../.ci/log-events.ts';

const eventsOf = (text: string) => logEvents(new Map([['src/a/b.ts', text]]));

it('an event is read with its levels and fields, whatever its call looks like', () => {
  expect(
    eventsOf(`
      log.warn('a.one', { tenantId, ...{ cause: 1 }, ...more });
      options.log.info(isNew ? 'a.two' : 'a.three', { seconds: 2 });
      parts.log[late ? 'warn' : 'debug']('a.one', { late });
      log.debug(\`\${name}.failed\`, { error });
      catalog.info('none'); other.log.read('none');`),
  ).toEqual([
    { name: 'a.one', levels: ['debug', 'warn'], fields: ['cause', 'late', 'tenantId'] },
    { name: 'a.three', levels: ['info'], fields: ['seconds'] },
    { name: 'a.two', levels: ['info'], fields: ['seconds'] },
    { name: '….failed', levels: ['debug'], fields: ['error'] },
  ]);
});

it('an event whose name only run time knows is refused', () => {
  expect(() => eventsOf('log.info(event, {})')).toThrow('src/a/b.ts:1 logs an event without a fixed name');
});

it('an event without a meaning is refused, and so is a meaning that is left of none', () => {
  const events = eventsOf("log.info('a.one', {});");
  expect(explainedEvents(events, { 'a.one': 'One came.' })).toEqual([
    { name: 'a.one', levels: ['info'], fields: [], meaning: 'One came.' },
  ]);
  expect(() => explainedEvents(events, {})).toThrow('says nothing of the event a.one');
  expect(() => explainedEvents(events, { 'a.one': 'One came.', 'a.two': 'Two came.' })).toThrow('a.two');
});
