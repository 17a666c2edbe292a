/** `espalier apply`: makes a gateway as files say (docs/declarative.md). */

import { ZodError } from 'zod';
import { type AdminApi, CommandFailure, exitCodes, openAdminApi } from '../admin-api.ts';
import { configSource } from '../environment.ts';
import { readText } from '../text-file.ts';
import { assignOperators } from './assign-operators.ts';
import { carryOutTenant } from './carry-out.ts';
import { countRemovals } from './count-removals.ts';
import { diff } from './diff.ts';
import { describeFault, type Fault } from './fault.ts';
import { inParallel } from './in-parallel.ts';
import { makeKeys } from './make-keys.ts';
import type { Declared, Present } from './model.ts';
import { parseFiles } from './parse.ts';
import { changesAnything, type Plan, type TenantPlan } from './plan.ts';
import { readFiles } from './read-files.ts';
import { readPresent, requestsAtOnce } from './read-present.ts';
import { readSecrets, type SecretOf } from './read-secrets.ts';
import { planLines, planObject, refusalLines } from './show-plan.ts';
import {
  keyLine,
  type OtherResults,
  operatorLine,
  resultLines,
  resultsObject,
  type TenantResult,
  totalsLine,
  totalsOf,
} from './show-results.ts';

export interface ApplyArguments {
  /** Reason for the history. */
  readonly reason?: string;
  readonly file: readonly string[];
  readonly dryRun?: boolean;
  readonly prune?: boolean;
  /** Only tenants with this tag are touched. */
  readonly selectTag?: string;
  /** Deletes also what has devices. */
  readonly force?: boolean;
  readonly updateSecrets?: boolean;
  /** Directory that new keys are written to. */
  readonly keysDir?: string;
  readonly output: 'json' | 'table';
}

/**
 * The gateway is not, or not yet, as the files say, and nothing failed: a dry run found something to do, or a step waits for a
 * second operator. Beside the codes of contract section 9.
 */
export const exitCodeDifferent = 10;

const writeLine = (line: string): void => void process.stdout.write(`${line}\n`);
const writeFault = (line: string): void => void process.stderr.write(`espalier: ${line}\n`);

interface Job {
  readonly api: AdminApi;
  readonly args: ApplyArguments;
  readonly present: Present;
  readonly plan: Plan;
  readonly secretOf: SecretOf;
}

/** Refuses requests that make no sense whatever the gateway has. */
function refuseArguments({ dryRun, force, keysDir, prune }: ApplyArguments, declared: Declared): Fault[] {
  const fault = (problem: string): Fault[] => [
    { place: undefined, file: 'espalier apply', path: '', problem },
  ];
  return [
    ...(force && !prune ? fault('--force is for --prune') : []),
    // One wrong path must not delete every customer.
    ...(prune && declared.tenants.length === 0 ? fault('--prune needs files that declare a tenant') : []),
    ...(declared.keys.length > 0 && keysDir === undefined && !dryRun
      ? fault('the files declare keys: give --keys-dir DIR, where new ones are written')
      : []),
  ];
}

async function prepare(api: AdminApi, args: ApplyArguments, declared: Declared): Promise<Job> {
  const { force = false, prune = false, selectTag, updateSecrets = false } = args;
  const present = await readPresent(api, declared, { all: prune });
  const compared = diff(declared, present, { prune, selectTag, updateSecrets, nowMs: Date.now() });
  const counted = await countRemovals(api, compared, { force });
  const { environment } = configSource();
  const { refusals, secretOf } = readSecrets(counted, {
    environment,
    readFile: readText,
  });
  return { api, args, present, secretOf, plan: { ...counted, refusals: [...counted.refusals, ...refusals] } };
}

/** Several tenants at a time; their lines come in the order of the plan, each as soon as those before it are there. */
async function carryOutTenants(
  { api, args, present, secretOf }: Job,
  tenants: readonly TenantPlan[],
  show: (result: TenantResult) => void,
): Promise<TenantResult[]> {
  const results = new Map<TenantPlan, TenantResult>();
  let shown = 0;
  await inParallel(tenants, requestsAtOnce, async (tenant) => {
    const before = present.tenants.find(({ tenantId }) => tenantId === tenant.tenantId);
    const steps = await carryOutTenant(api, tenant, before, { force: args.force ?? false, secretOf });
    results.set(tenant, { tenant, steps });
    for (let next = tenants[shown]; next !== undefined; next = tenants[shown]) {
      const result = results.get(next);
      if (result === undefined) break;
      show(result);
      shown += 1;
    }
  });
  return tenants.flatMap((tenant) => results.get(tenant) ?? []);
}

async function carryOut(job: Job): Promise<OtherResults & { tenants: TenantResult[] }> {
  const { api, args, plan } = job;
  const show = (line: string): void => (args.output === 'table' ? writeLine(line) : undefined);
  const showTenant = (result: TenantResult): void => resultLines(result).forEach(show);
  const operators = await assignOperators(api, plan.operators);
  for (const operator of operators) show(operatorLine(operator));
  const tenants: TenantResult[] = [];
  // Whole tenants go when everything that is to stay is as it should be.
  for (const deleting of [false, true]) {
    const some = plan.tenants.filter(({ action }) => (action === 'delete') === deleting);
    tenants.push(...(await carryOutTenants(job, some, showTenant)));
  }
  const keys = args.keysDir === undefined ? [] : await makeKeys(api, plan.keys, args.keysDir);
  for (const key of keys) show(keyLine(key));
  return { tenants, operators, keys };
}

function showPlan({ args, plan }: Job): void {
  if (args.output === 'table') for (const line of planLines(plan)) writeLine(line);
  for (const refusal of plan.refusals) writeFault(refusalLines(refusal).join('\n'));
  if (plan.refusals.length > 0)
    writeFault(`nothing was done: ${plan.refusals.length} of what the files ask for cannot be done this way`);
}

async function applyJob(job: Job): Promise<number> {
  const { args, plan } = job;
  showPlan(job);
  const showJson = (more: object = {}): void => {
    if (args.output === 'json') writeLine(JSON.stringify({ ...planObject(plan), ...more }, null, 2));
  };
  if (plan.refusals.length > 0 || args.dryRun || !changesAnything(plan)) {
    showJson();
    if (plan.refusals.length > 0) return exitCodes.error;
    return changesAnything(plan) ? exitCodeDifferent : 0;
  }
  if (args.output === 'table') writeLine('');
  const { tenants, ...others } = await carryOut(job);
  const totals = totalsOf(tenants, others);
  showJson(resultsObject(tenants, others));
  if (args.output === 'table') for (const line of ['', totalsLine(totals)]) writeLine(line);
  if (totals.failed > 0) return exitCodes.error;
  return totals.waiting > 0 ? exitCodeDifferent : 0;
}

/** Says of a failure what the operator can use; what is a fault of ours is thrown on. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandFailure) {
    writeFault(error.message);
    return error.exitCode;
  }
  if (!(error instanceof ZodError)) throw error;
  writeFault('the answer is not one of this version of Espalier');
  return exitCodes.error;
}

/** The exit code: contract section 9, and `exitCodeDifferent`. */
export async function runApply(args: ApplyArguments): Promise<number> {
  const { faults: unreadable, sources } = readFiles(args.file);
  const { faults, ...declared } = parseFiles(sources, readText);
  const all = [...unreadable, ...faults];
  if (all.length === 0) all.push(...refuseArguments(args, declared));
  for (const fault of all) process.stderr.write(`${describeFault(fault)}\n`);
  if (all.length > 0) return exitCodes.usage;
  try {
    return await applyJob(
      await prepare(openAdminApi(configSource().environment, { reason: args.reason }), args, declared),
    );
  } catch (error) {
    return exitCodeOf(error);
  }
}
