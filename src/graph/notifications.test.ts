import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNotifications } from './notifications.ts';

const objectId = '11111111-1111-4111-8111-111111111111';
const other = '22222222-2222-4222-8222-222222222222';
const whats = (value: unknown) => {
  const parsed = parseNotifications(
    JSON.stringify({ value: [{ subscriptionId: 's', ...(value as object) }] }),
  );
  return parsed.ok ? parsed.notifications.map(({ what }) => what) : parsed;
};

describe('notifications of Graph', () => {
  it('are read in the documented form, members that are not known left aside', () => {
    const parsed = parseNotifications(
      JSON.stringify({
        validationTokens: ['…'],
        value: [
          {
            id: 'lsgTZMr9KwAAA',
            subscriptionId: '7f105c7d-2dc5-4530-97cd-4e7ae6534c07',
            subscriptionExpirationDateTime: '2026-03-19T22:11:09.952Z',
            clientState: 'secret',
            changeType: 'updated',
            resource: `Users/${objectId}`,
            tenantId: '84BD8158-6D4D-4958-8B9F-9D6445542F95',
            resourceData: {
              '@odata.type': '#Microsoft.Graph.User',
              id: objectId.toUpperCase(),
              sequenceNumber: 1,
            },
          },
        ],
      }),
    );
    expect(parsed).toEqual({
      ok: true,
      unreadable: 0,
      notifications: [
        {
          subscriptionId: '7f105c7d-2dc5-4530-97cd-4e7ae6534c07',
          clientState: 'secret',
          tenantId: '84bd8158-6d4d-4958-8b9f-9d6445542f95',
          what: { kind: 'change', change: 'updated', objectId, members: undefined },
        },
      ],
    });
  });

  it('tell who joined a group and who left', () => {
    const resourceData = {
      id: objectId,
      'members@delta': [{ id: other }, { id: objectId, '@removed': 'deleted' }, { id: 'x' }, null],
    };
    expect(whats({ changeType: 'updated', resourceData })).toEqual([
      {
        kind: 'change',
        change: 'updated',
        objectId,
        members: [
          { objectId: other, change: 'added' },
          { objectId, change: 'removed' },
        ],
      },
    ]);
  });

  it.each(['reauthorizationRequired', 'subscriptionRemoved', 'missed'])('tell of %s', (lifecycleEvent) => {
    expect(whats({ lifecycleEvent })).toEqual([{ kind: 'lifecycle', lifecycle: lifecycleEvent }]);
  });

  it('of another time have no meaning, and none of them is a fault of the others', () => {
    expect(whats({ lifecycleEvent: 'tomorrow' })).toEqual([{ kind: 'other' }]);
    expect(whats({ changeType: 'created' })).toEqual([{ kind: 'other' }]);
    expect(
      parseNotifications('{"value":[1,null,"a",[],{},{"subscriptionId":1},{"subscriptionId":"s"}]}'),
    ).toMatchObject({
      ok: true,
      unreadable: 6,
      notifications: [{ subscriptionId: 's', clientState: '' }],
    });
  });

  it.each(['', '[]', 'null', '{"value":{}}', '{"values":[]}', '<html>', '{"value":[}'])(
    'are not %j',
    (text) => {
      expect(parseNotifications(text).ok).toBe(false);
    },
  );

  it('are read without an exception, whatever comes', () => {
    const names = [
      'value',
      'subscriptionId',
      'clientState',
      'changeType',
      'lifecycleEvent',
      'resourceData',
      'id',
      'tenantId',
      'members@delta',
      '__proto__',
    ];
    const leaf = fc.oneof(
      fc.constantFrom('updated', 'deleted', 'missed', objectId, '', null),
      fc.jsonValue(),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom(...names), tie('tree'), { maxKeys: 6 }),
      ),
    }));
    fc.assert(
      fc.property(
        fc.oneof(
          tree.map((value) => JSON.stringify({ value: [value] })),
          fc.string(),
          fc.json(),
        ),
        (text) => {
          const parsed = parseNotifications(text ?? '');
          if (parsed.ok) expect(parsed.unreadable + parsed.notifications.length).toBeGreaterThanOrEqual(0);
          else expect(parsed.description).not.toBe('');
        },
      ),
      { numRuns: 500 },
    );
  });
});
