import { expect, it } from 'vitest';
import { computersPerWebhook } from '../limits.ts';
import { NamedComputers } from './named-computers.ts';

it('no more computers are collected than an event may name, and it is seen that there are more', () => {
  const named = new NamedComputers();
  const text = Array.from({ length: computersPerWebhook + 5_000 }, (_, at) => at + 1).join(' ');
  for (const _ of named.take(text, 'event.groupAddedDevicesIds', 'ids'));
  expect(named.count()).toBe(computersPerWebhook + 1);
});
