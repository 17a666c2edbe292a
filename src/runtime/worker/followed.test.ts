import { expect, it } from 'vitest';
import { maxMoved } from '../../store/served.ts';
import { createFollowedTenants } from './followed.ts';

function scene() {
  let nowMs = 0;
  const followed = createFollowedTenants(() => nowMs);
  const take = (routes: number, moved: readonly string[] | undefined, more = {}) =>
    followed.take({ history: 'h', tenants: [{ tenantId: 't', served: 7, routes, moved }], ...more });
  const moved = (routesFrom: number | undefined) => followed.answer({ tenantId: 't', routesFrom })?.moved;
  followed.ask(['t']);
  return { followed, take, moved, pass: (ms: number) => (nowMs += ms) };
}

it('says nothing of a tenant before it was read', () => {
  const { followed, take } = scene();
  expect(followed.answer({ tenantId: 't', routesFrom: undefined })).toBeUndefined();
  expect(followed.questions()).toEqual([{ tenantId: 't', routesFrom: undefined }]);
  take(3, undefined);
  expect(followed.answer({ tenantId: 't', routesFrom: undefined })).toEqual({
    ...{ tenantId: 't', served: 7, routes: 3 },
    moved: undefined,
  });
  expect(followed.questions()).toEqual([{ tenantId: 't', routesFrom: 3 }]);
});

it('names the devices that moved since the version that the asker knows', () => {
  const { moved, take } = scene();
  take(3, undefined);
  take(5, ['a', 'b']);
  take(6, ['a']);
  expect(moved(3)).toEqual(['a', 'b', 'a']);
  expect(moved(4)).toEqual(['a', 'b', 'a']);
  expect(moved(5)).toEqual(['a']);
  expect(moved(6)).toEqual([]);
  // Before it began to follow, and of a later life of the object.
  expect(moved(2)).toBeUndefined();
  expect(moved(7)).toBeUndefined();
});

it('begins anew where too many moved, the tenant was made again or the database goes on otherwise', () => {
  const { followed, moved, take } = scene();
  take(3, undefined);
  take(9, undefined);
  expect(moved(3)).toBeUndefined();
  take(1, undefined);
  expect(moved(1)).toEqual([]);
  take(2, ['a']);
  expect(moved(1)).toEqual(['a']);
  take(2, [], { history: 'another' });
  expect(moved(1)).toBeUndefined();
  expect(followed.answer({ tenantId: 't', routesFrom: 2 })).toMatchObject({
    served: 7,
    routes: 2,
    moved: [],
  });
});

it('keeps a bounded number of moves', () => {
  const { moved, take } = scene();
  take(1, undefined);
  for (let version = 2; version < maxMoved + 12; version += 1) take(version, [`d${version}`]);
  expect(moved(1)).toBeUndefined();
  expect(moved(11)).toHaveLength(maxMoved);
});

it('forgets who is not asked about any more, and strangers at once, which push nobody out', () => {
  const { followed, pass, take } = scene();
  take(1, undefined);
  followed.ask(['nobody']);
  followed.take({ history: 'h', tenants: [{ tenantId: 'nobody', served: 0, routes: 0, moved: undefined }] });
  expect(followed.answer({ tenantId: 'nobody', routesFrom: undefined })).toMatchObject({ served: 0 });
  expect(followed.questions()).toHaveLength(2);
  pass(1_001);
  expect(followed.questions()).toEqual([{ tenantId: 't', routesFrom: 1 }]);
  followed.ask(Array.from({ length: 20_000 }, (_, index) => `stranger ${index}`));
  expect(followed.answer({ tenantId: 't', routesFrom: 1 })).toMatchObject({ moved: [] });
  expect(followed.questions().length).toBeLessThan(1_100);
  pass(60_001);
  expect(followed.questions()).toEqual([]);
});
