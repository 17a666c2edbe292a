import { describe, expect, it } from 'vitest';
import { mergeReadiness } from './merge-readiness.ts';

const ready = { ready: true } as const;
const starting = { ready: false, reason: 'starting' } as const;

describe('the readiness of several processes', () => {
  it.each([
    ['all ready', [ready, ready], { ready: true }],
    ['one being started anew', [ready, undefined], { ready: true, degraded: ['processes'] }],
    ['one not ready yet', [starting, ready], { ready: true, degraded: ['processes'] }],
    ['none there', [undefined, undefined], { ready: false, reason: 'starting' }],
    ['one without its database', [ready, { ready: false, reason: 'away' }], { ready: false, reason: 'away' }],
    [
      'two from the snapshot',
      [
        { ready: true, degraded: ['database'], age: 3 },
        { ready: true, degraded: ['database'], age: 9 },
      ],
      { ready: true, degraded: ['database'], age: 9 },
    ],
  ] as const)('%s', (_, processes, merged) => expect(mergeReadiness(processes)).toEqual(merged));
});
