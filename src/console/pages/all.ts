import type { ConsolePage } from '../visit.ts';
import { alertTarget, alertTargets } from './alert-targets.ts';
import { allMoves } from './all-moves.ts';
import { approval } from './approval.ts';
import { approvals } from './approvals.ts';
import { connect } from './connect.ts';
import { connection } from './connection.ts';
import { device } from './device.ts';
import { devices } from './devices.ts';
import { history } from './history.ts';
import { hold } from './hold.ts';
import { holds } from './holds.ts';
import { importRoutes } from './import-routes.ts';
import { instance } from './instance.ts';
import { instanceEdit } from './instance-edit.ts';
import { instanceNew } from './instance-new.ts';
import { key, keys } from './keys.ts';
import { move } from './move.ts';
import { newMove } from './move-plan.ts';
import { advanceMove, pauseMove, rollBackMove } from './move-step.ts';
import { moves } from './moves.ts';
import { operator, operators } from './operators.ts';
import { overview } from './overview.ts';
import { replay } from './replay.ts';
import { reports } from './reports.ts';
import { search } from './search.ts';
import { sessions } from './sessions.ts';
import { settings } from './settings.ts';
import { tenant } from './tenant.ts';
import { tenantAction } from './tenant-action.ts';
import { tenantMigrate } from './tenant-migrate.ts';
import { tenantPermissions } from './tenant-permissions.ts';
import { tenantSettings } from './tenant-settings.ts';
import { tenants } from './tenants.ts';

/** Every page, in the order of the menu. A page is a file in this folder and its line here. */
export const pages: readonly ConsolePage[] = [
  overview,
  tenants,
  connect,
  connection,
  tenant,
  tenantAction,
  tenantPermissions,
  tenantSettings,
  tenantMigrate,
  holds,
  hold,
  devices,
  device,
  instanceNew,
  instance,
  search,
  reports,
  replay,
  allMoves,
  approvals,
  approval,
  instanceEdit,
  importRoutes,
  moves,
  newMove,
  advanceMove,
  pauseMove,
  rollBackMove,
  move,
  history,
  alertTargets,
  alertTarget,
  keys,
  key,
  operators,
  operator,
  sessions,
  settings,
];
