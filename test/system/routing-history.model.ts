import fc from 'fast-check';

/**
 * The routing table as the contract words it (section 8), small and slow: what the real one is compared with after
 * every step. Instances and devices are small numbers, times are ticks.
 */

/** Few of each, so that they meet. */
export const instanceCount = 2;
export const computersPerInstance = 2;
export const deviceCount = 2;

export interface ModelComputer {
  readonly instance: number;
  readonly id: number;
}

interface ModelClaim {
  readonly enrolled: number | null;
  readonly checkIn: number | null;
  readonly reported: number;
}

interface ModelRoute extends ModelComputer {
  /** A move or a rollback put it there. */
  readonly ofMove?: boolean;
  readonly pinned: boolean;
  /** Enrolments up to this one were known when an operator put it there; null: claims did. */
  readonly placedAt: number | null;
}

interface ModelMoveDevice {
  state: 'planned' | 'moved' | 'rolled-back' | 'skipped';
  from: ModelComputer & { readonly placed: boolean };
  to: ModelComputer | undefined;
}

interface ModelMove {
  readonly from: number;
  readonly to: number;
  state: 'planned' | 'moving' | 'done' | 'rolled-back';
  percent: number;
  readonly devices: Map<number, ModelMoveDevice>;
}

/** One thing that happens. */
export type Step =
  | {
      readonly kind: 'claim';
      readonly computer: ModelComputer;
      readonly devices: readonly number[];
      readonly enrolled: number | null;
      readonly checkIn: number | null;
      readonly reported: number;
    }
  | { readonly kind: 'gone'; readonly computer: ModelComputer }
  | { readonly kind: 'enable'; readonly instance: number; readonly enabled: boolean }
  | {
      readonly kind: 'place';
      readonly device: number;
      readonly computer: ModelComputer;
      readonly pinned: boolean;
    }
  | { readonly kind: 'delete'; readonly device: number }
  /** `back`: share of all versions that are undone, 0 to 1. */
  | { readonly kind: 'roll-back'; readonly back: number }
  | { readonly kind: 'plan-move'; readonly from: number; readonly to: number }
  /** `move`: the last, the one before it, … */
  | { readonly kind: 'advance-move'; readonly move: number; readonly percent: number }
  | { readonly kind: 'undo-move'; readonly move: number };

export type MoveStep = Extract<Step, { kind: 'plan-move' | 'advance-move' | 'undo-move' }>;

const key = ({ id, instance }: ModelComputer): string => `${instance}/${id}`;
const same = (one: ModelComputer, other: ModelComputer): boolean => key(one) === key(other);

const computer = fc.record({
  instance: fc.nat({ max: instanceCount - 1 }),
  id: fc.integer({ min: 1, max: computersPerInstance }),
});
const instance = fc.nat({ max: instanceCount - 1 });
const device = fc.nat({ max: deviceCount - 1 });
/** Few, so that ties are frequent. */
const tick = fc.integer({ min: 1, max: 3 });

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('claim' as const),
      computer,
      devices: fc.uniqueArray(device, { maxLength: deviceCount }),
      enrolled: fc.option(tick, { freq: 8 }),
      checkIn: fc.option(tick, { freq: 8 }),
      // How late: the record's date is made of it below.
      reported: fc.constantFrom(0, 0, 0, 0, 1, 6),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('gone' as const), computer }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('enable' as const),
      instance: fc.nat({ max: instanceCount - 1 }),
      enabled: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('place' as const), device, computer, pinned: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), device }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('plan-move' as const), from: instance, to: instance }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('advance-move' as const),
      move: fc.nat({ max: 1 }),
      percent: fc.constantFrom(10, 30, 50, 80, 100),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('undo-move' as const), move: fc.nat({ max: 2 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('roll-back' as const),
      back: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
);

/** Records come in the order of their dates, save those that are late. */
export const anyHistory: fc.Arbitrary<Step[]> = fc
  .array(anyStep, { minLength: 20, maxLength: 40 })
  .map((steps) =>
    steps.map((step, index) =>
      step.kind === 'claim' ? { ...step, reported: index + 10 - step.reported } : step,
    ),
  );

export interface RoutingModel {
  /** `newest`: the version of the real table before the step. Says to which version a rollback goes. */
  happen(step: Step, newest: number): void;
  /** The table is at this version now. */
  note(version: number): void;
  route(device: number): ModelRoute | undefined;
  claims(device: number): readonly (ModelComputer & { enrolled: number | null; active: boolean })[];
}

export const rollbackVersion = (back: number, newest: number): number => Math.round(newest * (1 - back));

/** `buckets`: of the devices, 0 to 99. */
export function createRoutingModel(buckets: readonly number[]): RoutingModel {
  const enabled = Array.from({ length: instanceCount }, () => true);
  const claims = Array.from({ length: deviceCount }, () => new Map<string, ModelClaim & ModelComputer>());
  const routes = new Map<number, ModelRoute>();
  /** The whole table by version. */
  const versions = new Map<number, ReadonlyMap<number, ModelRoute>>([[0, new Map()]]);

  const claimsOn = (one: number) => [...(claims[one]?.values() ?? [])];
  const standsAt = (one: number, at: ModelComputer) => claims[one]?.get(key(at));
  const isOn = ({ instance }: ModelComputer): boolean => enabled[instance] === true;
  const low = Number.NEGATIVE_INFINITY;
  const knownEnrolment = (one: number): number =>
    Math.max(0, ...claimsOn(one).map(({ enrolled }) => enrolled ?? 0));

  const isHeld = (one: number, route: ModelRoute): boolean => {
    const { placedAt } = route;
    if (placedAt === null || (standsAt(one, route) && !isOn(route))) return false;
    return claimsOn(one).every(
      (claim) => !isOn(claim) || same(claim, route) || (claim.enrolled ?? low) <= placedAt,
    );
  };

  const bestOf = (candidates: readonly (ModelClaim & ModelComputer)[]) => {
    let best: (ModelClaim & ModelComputer) | undefined;
    for (const claim of candidates) {
      if (!isOn(claim)) continue;
      const order = (of: ModelClaim & ModelComputer): number[] => [
        of.enrolled ?? low,
        of.checkIn ?? low,
        -of.instance,
        -of.id,
      ];
      const [mine, its] = [order(claim), best && order(best)];
      const at = mine.findIndex((value, index) => value !== its?.[index]);
      if (its === undefined || (mine[at] ?? 0) > (its[at] ?? 0)) best = claim;
    }
    return best;
  };

  const decide = (one: number, left: boolean): void => {
    const route = routes.get(one);
    if (route?.pinned || (route && !left && isHeld(one, route))) return;
    const best = bestOf(claimsOn(one));
    if (best && !(route && same(route, best))) {
      routes.set(one, { instance: best.instance, id: best.id, pinned: false, placedAt: null });
    } else if (!best && route && !standsAt(one, route)) routes.delete(one);
  };

  const replaceClaims = (from: ModelComputer, devices: readonly number[], claim: ModelClaim | undefined) => {
    const standing = claims.flatMap((_, one) => (standsAt(one, from) ? [one] : []));
    const newest = Math.max(...standing.map((one) => standsAt(one, from)?.reported ?? 0));
    if (claim && claim.reported < newest) return;
    for (const one of standing) claims[one]?.delete(key(from));
    if (claim) for (const one of devices) claims[one]?.set(key(from), { ...claim, ...from });
    for (const one of new Set([...standing, ...devices])) {
      const route = routes.get(one);
      decide(one, route !== undefined && same(route, from) && !standsAt(one, from));
    }
  };

  const place = (one: number, at: ModelComputer, pinned: boolean): void => {
    const route = routes.get(one);
    if (pinned) {
      routes.set(one, { ...at, pinned: true, placedAt: null });
      return;
    }
    if (route && same(route, at)) {
      if (route.pinned && claimsOn(one).some(isOn)) {
        // The pin goes and the claims have their say: as if nothing stood yet.
        routes.delete(one);
        decide(one, false);
        return;
      }
      if (!route.pinned && isHeld(one, route)) return;
    }
    routes.set(one, { ...at, pinned: false, placedAt: knownEnrolment(one) });
  };

  const rollBack = (version: number): void => {
    const then = versions.get(version) ?? new Map<number, ModelRoute>();
    for (let one = 0; one < deviceCount; one += 1) {
      const [now, was] = [routes.get(one), then.get(one)];
      if (now && was ? same(now, was) && now.pinned === was.pinned : now === was) continue;
      if (!was) {
        routes.delete(one);
        claims[one]?.clear();
      } else if (isOn(was)) {
        routes.set(one, { ...was, placedAt: was.pinned ? null : knownEnrolment(one), ofMove: true });
      }
    }
  };

  const claimAt = (one: number, at: number) => bestOf(claimsOn(one).filter((claim) => claim.instance === at));

  const planDevices = ({ devices, from, to }: ModelMove): void => {
    for (const [one, { placedAt, ...route }] of routes) {
      if (route.instance !== from) continue;
      const known = devices.get(one);
      if (known && known.state !== 'skipped') continue;
      const target = route.pinned ? undefined : claimAt(one, to);
      const state = target ? 'planned' : 'skipped';
      devices.set(one, { state, from: { ...route, placed: placedAt !== null }, to: target });
    }
  };

  const cutOver = (move: ModelMove): void => {
    if (move.state !== 'moving' || !enabled[move.to]) return;
    for (const [one, device] of move.devices) {
      if (device.state !== 'planned' || (buckets[one] ?? 0) >= move.percent) continue;
      const route = routes.get(one);
      const target = route?.instance === move.from && !route.pinned ? claimAt(one, move.to) : undefined;
      device.state = target ? 'moved' : 'skipped';
      if (!target || !route) continue;
      device.from = { ...route, placed: route.placedAt !== null };
      device.to = target;
      const { id, instance: at } = target;
      routes.set(one, { instance: at, id, pinned: false, placedAt: knownEnrolment(one), ofMove: true });
    }
    const isLeft = [...move.devices.values()].some(({ state }) => state === 'planned');
    if (move.percent === 100 && !isLeft) move.state = 'done';
  };

  const undo = (move: ModelMove): void => {
    const moved = [...move.devices].filter(([, { state }]) => state === 'moved');
    if (moved.length > 0 && !enabled[move.from]) return;
    move.state = 'rolled-back';
    for (const [one, device] of moved) {
      const route = routes.get(one);
      const { id, instance: at, placed } = device.from;
      const isThere = route && device.to && same(route, device.to) && route.ofMove && !route.pinned;
      const mayReturn = isThere && (placed || standsAt(one, device.from) !== undefined);
      device.state = mayReturn ? 'rolled-back' : 'skipped';
      if (mayReturn)
        routes.set(one, { instance: at, id, pinned: false, placedAt: knownEnrolment(one), ofMove: true });
    }
  };

  const moves: ModelMove[] = [];
  const moveStep = (step: MoveStep): void => {
    if (step.kind === 'plan-move') {
      const { from, to } = step;
      const isOpen = moves.some((one) => one.from === from && ['planned', 'moving'].includes(one.state));
      if (from === to || !enabled[to] || isOpen) return;
      const move: ModelMove = { from, to, state: 'planned', percent: 0, devices: new Map() };
      planDevices(move);
      moves.push(move);
      return;
    }
    const move = moves.at(-1 - step.move);
    if (!move || move.state === 'rolled-back') return;
    if (step.kind === 'undo-move') {
      undo(move);
      return;
    }
    if (move.state === 'done' || !enabled[move.to]) return;
    planDevices(move);
    if (step.percent > move.percent) Object.assign(move, { state: 'moving', percent: step.percent });
    cutOver(move);
  };

  return {
    happen: (step, newest) => {
      if (step.kind === 'claim') {
        const { checkIn, enrolled, reported } = step;
        replaceClaims(step.computer, step.devices, { checkIn, enrolled, reported });
      } else if (step.kind === 'gone') replaceClaims(step.computer, [], undefined);
      else if (step.kind === 'enable') {
        enabled[step.instance] = step.enabled;
        claims.forEach((known, one) => {
          if ([...known.values()].some(({ instance }) => instance === step.instance)) decide(one, false);
        });
      } else if (step.kind === 'place') place(step.device, step.computer, step.pinned);
      else if (step.kind === 'delete') {
        if (routes.delete(step.device)) claims[step.device]?.clear();
      } else if (step.kind === 'roll-back') rollBack(rollbackVersion(step.back, newest));
      else moveStep(step);
    },
    note: (version) => versions.set(version, new Map(routes)),
    route: (one) => routes.get(one),
    claims: (one) =>
      claimsOn(one).map(({ enrolled, id, instance }) => ({
        instance,
        id,
        enrolled,
        active: isOn({ instance, id }),
      })),
  };
}
