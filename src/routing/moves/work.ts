import { moveBatch } from '../../limits.ts';
import { sameComputer } from '../../store/claims/claim.ts';
import { storedClaims } from '../../store/claims/claims.ts';
import { columns, pick, type Row } from '../../store/columns.ts';
import { readWinners } from '../../store/computers/due.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import { finishMove, isEnabled, lockMove, type Move, type MoveKey } from '../../store/moves/move.ts';
import { type DeviceTurn, writeTurns } from '../../store/moves/move-devices.ts';
import { inTransaction } from '../../store/retry.ts';
import { readRoutes } from '../../store/routes/routes.ts';
import { computers, moveDevices, moves } from '../../store/schema.ts';
import { inScope, type TenantScope } from '../../store/tenant-scope.ts';
import { placedNow } from '../place-device.ts';
import { lockDevices, placeRoutes, type RouteOutcome } from '../resolve.ts';
import { chooseClaim, counts } from '../rules.ts';
import { type MacNames, type MoveDevice, type Turn, turnBack, turnOver } from './standing.ts';

/**
 * The work on a move, batch by batch. What is wanted is stored first (state and percent of the move), then devices
 * follow; each batch is one transaction, so whoever comes after a crash goes on where it ended.
 */

export interface MoveWork {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  /** Routes that a batch has changed, after its commit. */
  readonly onRouted: (tenantId: string, outcomes: readonly RouteOutcome[]) => void;
}

/** `worked`: there may be more. `idle`: nothing is to be done now. `busy`: another process works on it. */
export type BatchResult = 'worked' | 'idle' | 'busy';

interface Batch {
  readonly direction: 'over' | 'back';
  readonly devices: readonly MoveDevice[];
}

async function nextDevices(tx: Transaction, move: Move): Promise<Batch | undefined> {
  const { moveId, percent, state, tenantId } = move;
  const direction =
    state === 'moving' && !move.paused ? 'over' : state === 'rolled-back' ? 'back' : undefined;
  if (direction === undefined) return undefined;
  const devices = await tx<MoveDevice[]>`
    select ${columns(tx, pick(moveDevices, 'deviceId', 'fromJamfComputerId', 'toJamfComputerId', 'placedAt'))}
    from move_devices where tenant_id = ${tenantId} and move_id = ${moveId}
      and ${direction === 'over' ? tx`state = 'planned' and bucket < ${percent}` : tx`state = 'moved'`}
    limit ${moveBatch}`;
  return { direction, devices };
}

const macNames = pick(computers, 'jamfComputerId', 'serialNumber', 'udid');

/** Computers of the target by which unclaimed devices were found, and that it still has. */
async function knownComputers(
  tx: Transaction,
  move: Move,
  devices: readonly MoveDevice[],
): Promise<ReadonlyMap<number, MacNames>> {
  if (!move.unclaimed) return new Map();
  const wanted = devices.flatMap(({ toJamfComputerId }) => toJamfComputerId ?? []);
  const rows = await tx<Row<typeof macNames>[]>`
    select ${columns(tx, macNames)} from computers
    where tenant_id = ${move.tenantId} and instance_id = ${move.toInstanceId}
      and jamf_computer_id = any(${wanted}::int[]) and gone_at is null
    union
    select ${columns(tx, macNames)} from claims
    where tenant_id = ${move.tenantId} and instance_id = ${move.toInstanceId}
      and jamf_computer_id = any(${wanted}::int[])`;
  return new Map(rows.map((row) => [row.jamfComputerId, row]));
}

/**
 * Takes the rows of the computers that the devices go to before the devices' locks, in the order in which reading takes
 * them: a Mac that reports just now would else be waited for while it waits.
 */
async function lockComputers(tx: Transaction, move: Move, { devices, direction }: Batch): Promise<void> {
  const { fromInstanceId, tenantId, toInstanceId } = move;
  const over = direction === 'over';
  const ids = devices.flatMap((device) => (over ? device.toJamfComputerId : device.fromJamfComputerId) ?? []);
  await tx`
    select 1 from computers where tenant_id = ${tenantId} and instance_id = ${over ? toInstanceId : fromInstanceId}
      and jamf_computer_id = any(${ids}::int[]) order by jamf_computer_id for update`;
}

async function decide(
  tx: Transaction,
  move: Move,
  { devices, direction }: Batch,
): Promise<Map<string, Turn>> {
  const { fromInstanceId, tenantId, toInstanceId } = move;
  const ids = devices.map(({ deviceId }) => deviceId);
  await lockDevices(tx, tenantId, ids);
  const routes = new Map((await readRoutes(tx, tenantId, ids)).map((route) => [route.deviceId, route]));
  const claims = await storedClaims(tx, tenantId, ids);
  const known = direction === 'over' ? await knownComputers(tx, move, devices) : undefined;
  const turn = (device: MoveDevice): Turn => {
    const all = claims.get(device.deviceId) ?? [];
    const route = routes.get(device.deviceId);
    const placedAt = placedNow(all);
    const own = all.filter(counts);
    if (direction === 'back') {
      const place = { instanceId: fromInstanceId, jamfComputerId: device.fromJamfComputerId };
      return turnBack(
        device,
        route,
        move,
        own.find((claim) => sameComputer(claim, place)),
        placedAt,
      );
    }
    const target = chooseClaim(own.filter((claim) => claim.instanceId === toInstanceId))?.claim;
    const found = device.toJamfComputerId === null ? undefined : known?.get(device.toJamfComputerId);
    return turnOver(device, route, move, target, found, placedAt);
  };
  return new Map(devices.map((device) => [device.deviceId, turn(device)]));
}

async function recordTurns(
  tx: Transaction,
  move: MoveKey,
  { direction }: Batch,
  turns: ReadonlyMap<string, Turn>,
  outcomes: readonly RouteOutcome[],
): Promise<void> {
  const placed = new Map(outcomes.map((outcome) => [outcome.deviceId, outcome]));
  const done = direction === 'over' ? 'moved' : 'rolled-back';
  const rows = [...turns].map(([deviceId, turn]): DeviceTurn => {
    const outcome = placed.get(deviceId);
    // A rollback looks for the device at the place it was moved to, and takes it to the place it had then.
    const over = direction === 'over' ? outcome : undefined;
    return {
      deviceId,
      state: turn.kind === 'place' ? done : 'skipped',
      reason: turn.kind === 'place' ? null : turn.reason,
      to: over?.route?.jamfComputerId ?? null,
      from: over?.before?.jamfComputerId ?? null,
      rule: over?.before?.rule ?? null,
      placedAt: over?.before?.placedAt?.toISOString() ?? null,
      version: outcome?.route?.version ?? null,
    };
  });
  await writeTurns(tx, move, rows);
}

async function workIn(tx: Transaction, move: Move, batch: Batch): Promise<readonly RouteOutcome[]> {
  const { author, moveId, reason, tenantId } = move;
  await lockComputers(tx, move, batch);
  const turns = await decide(tx, move, batch);
  const placements = [...turns].flatMap(([deviceId, turn]) =>
    turn.kind === 'place' ? [{ deviceId, to: turn.to }] : [],
  );
  const what = batch.direction === 'over' ? 'move' : 'rollback of move';
  const by = { author, reason: `${what} ${moveId}: ${reason}` };
  const outcomes = await placeRoutes(tx, tenantId, placements, () => by);
  await recordTurns(tx, move, batch, turns, outcomes);
  await readWinners(
    tx,
    tenantId,
    outcomes.flatMap(({ route }) => (route ? [route] : [])),
  );
  return outcomes;
}

/** A move is done at 100 percent with nothing left to cut over. */
async function finish(tx: Transaction, move: Move): Promise<void> {
  if (move.state !== 'moving' || move.percent < 100) return;
  await finishMove(tx, move);
}

/** The next devices of a move, in one transaction and one version of the routes. */
export async function workOnMove(
  { onRouted, sql }: MoveWork,
  key: MoveKey,
  options: { readonly wait: boolean },
): Promise<BatchResult> {
  const { outcomes, result } = await inTransaction(sql, async (tx) => {
    const move = await lockMove(tx, key, options.wait);
    if (!move) return { result: 'busy' as const, outcomes: [] };
    const batch = await nextDevices(tx, move);
    const idle = { result: 'idle' as const, outcomes: [] };
    if (!batch) return idle;
    // Claims of a disabled instance rest: its devices wait until it is enabled, or the move is undone.
    const heir = batch.direction === 'over' ? move.toInstanceId : move.fromInstanceId;
    if (!(await isEnabled(tx, move.tenantId, heir))) return idle;
    if (batch.devices.length === 0) {
      await finish(tx, move);
      return idle;
    }
    return { result: 'worked' as const, outcomes: await workIn(tx, move, batch) };
  });
  if (outcomes.length > 0) onRouted(key.tenantId, outcomes);
  return result;
}

/** Works on one move until it has nothing to do, or for so long. */
export async function workFor(work: MoveWork, key: MoveKey, forMs: number): Promise<void> {
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    if ((await workOnMove(work, key, { wait: true })) !== 'worked') return;
  }
}

/** Moves whose devices are not where the move wants them: of a crash, or of one that is too large for one answer. */
const behindMoves = ({ scope, sql }: MoveWork) => sql<MoveKey[]>`
  select ${columns(sql, pick(moves, 'tenantId', 'moveId'), 'm')} from moves m
  where ${inScope(sql, scope, sql`m.tenant_id`)} and ((m.state = 'moving' and not m.paused and (exists (
           select 1 from move_devices d where d.tenant_id = m.tenant_id and d.move_id = m.move_id
             and d.state = 'planned' and d.bucket < m.percent)
         or (m.percent = 100 and not exists (
           select 1 from move_devices d where d.tenant_id = m.tenant_id and d.move_id = m.move_id
             and d.state = 'planned'))))
     or (m.state = 'rolled-back' and exists (
           select 1 from move_devices d where d.tenant_id = m.tenant_id and d.move_id = m.move_id
             and d.state = 'moved')))`;

/** Takes all moves further that are behind, a batch of each in turn. */
export async function continueMoves(work: MoveWork, forMs: number): Promise<void> {
  const end = performance.now() + forMs;
  let behind: readonly MoveKey[] = await behindMoves(work);
  while (behind.length > 0 && performance.now() < end) {
    const still: MoveKey[] = [];
    for (const key of behind) {
      if ((await workOnMove(work, key, { wait: false })) === 'worked') still.push(key);
    }
    behind = still;
  }
}
