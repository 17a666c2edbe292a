import { expect, it } from 'vitest';
import { targetUrl } from './target.ts';

it.each([
  ['nonsense', 1],
  ['', 1],
  ['http://alerts.example/', 1],
  ['https://', 1],
  ['https://ada:pass@alerts.example/', 1],
  ['https://alerts.example/#top', 1],
  ['https://alerts.example/hook?token=1', 0],
])('the address %j of a target has %i faults', (text, faults) => {
  expect(targetUrl.safeParse(text).error?.issues ?? []).toHaveLength(faults);
});
