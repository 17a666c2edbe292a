/**
 * Whether a statement stays within one tenant, read from its plan (`explain (generic_plan, verbose, format json)`): each
 * table of tenants that it touches is bound to one tenant's id, directly or through a table that is.
 */

export interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Alias?: string;
  readonly 'CTE Name'?: string;
  readonly 'Subplan Name'?: string;
  readonly Operation?: string;
  readonly 'Parent Relationship'?: string;
  readonly Output?: readonly string[];
  readonly Plans?: readonly Plan[];
  readonly [property: string]: unknown;
}

/** Tables of tenants by name, with the place of `tenant_id` among their columns, from 0. */
export type TenantTables = ReadonlyMap<string, number>;

const conditions = ['Index Cond', 'Recheck Cond', 'Filter', 'Join Filter', 'Hash Cond', 'Merge Cond'];
const column = String.raw`(\w+)\.(?:"tenantId"|tenant_id)`;
/** A parameter, a literal, or the answer of a query that runs once. */
const oneValue = String.raw`(?:\$\d+|'[^']*'|\(InitPlan \d+\)\.\w+)`;
const boundTo = new RegExp(String.raw`${column} = \(?${oneValue}`, 'g');
const boundBy = new RegExp(String.raw`${oneValue}(?:::\w+)?\)? = ${column}`, 'g');
const joined = new RegExp(`${column} = ${column}`, 'g');
const isOneValue = new RegExp(String.raw`^\(?${oneValue}`);

/** What all rows must meet of a condition as a plan shows it: of two parts one of which suffices, neither. */
function conjunctsOf(condition: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < condition.length; at += 1) {
    if (condition[at] === '(') depth += 1;
    if (condition[at] === ')') depth -= 1;
    if (depth === 0 && condition.startsWith(' OR ', at)) return [];
    if (depth === 0 && condition.startsWith(' AND ', at)) {
      parts.push(condition.slice(from, at));
      from = at + ' AND '.length;
    }
  }
  parts.push(condition.slice(from));
  const [only, ...others] = parts;
  if (only === undefined || others.length > 0) return parts.flatMap(conjunctsOf);
  return / (?:AND|OR) /.test(only) && only.startsWith('(') && only.endsWith(')')
    ? conjunctsOf(only.slice(1, -1))
    : [only];
}

const nodesIn = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesIn)];

const namesIn = (pattern: RegExp, text: string): string[] =>
  [...text.matchAll(pattern)].flatMap(([, ...names]) => names.filter((name) => name !== undefined));

/** Aliases that are bound, extended until nothing more is. */
function boundAliases(nodes: readonly Plan[], tables: TenantTables): Set<string> {
  const texts = nodes.flatMap((node) => conditions.flatMap((name) => conjunctsOf(String(node[name] ?? ''))));
  const bound = new Set(texts.flatMap((text) => [...namesIn(boundTo, text), ...namesIn(boundBy, text)]));
  const pairs = texts.flatMap((text) =>
    [...text.matchAll(joined)].map(([, one, other]) => [one, other] as const),
  );
  const withinOne = (plan: Plan): boolean =>
    nodesIn(plan).every(
      ({ Alias, 'Relation Name': table }) =>
        table === undefined || !tables.has(table) || (Alias !== undefined && bound.has(Alias)),
    ) && nodesIn(plan).some(({ 'Relation Name': table }) => table !== undefined && tables.has(table));
  const parts = new Map(nodes.map((node) => [node['Subplan Name'], node]));
  for (let before = -1; before !== bound.size; ) {
    before = bound.size;
    for (const [one, other] of pairs) {
      if (one !== undefined && other !== undefined && (bound.has(one) || bound.has(other)))
        for (const name of [one, other]) bound.add(name);
    }
    for (const { Alias, 'CTE Name': name, Plans = [], 'Node Type': kind } of nodes) {
      const part = name === undefined ? undefined : parts.get(`CTE ${name}`);
      const source = part ?? (kind === 'Subquery Scan' ? Plans[0] : undefined);
      if (Alias !== undefined && source && withinOne(source)) bound.add(Alias);
    }
  }
  return bound;
}

/** The tables of tenants of which the statement may touch rows of several; empty: it stays within one. */
export function tablesAcross(plan: Plan, tables: TenantTables): string[] {
  const nodes = nodesIn(plan);
  const bound = boundAliases(nodes, tables);
  const across = nodes.flatMap((node) => {
    const { Alias, Operation, Plans = [], 'Relation Name': table } = node;
    const place = table === undefined ? undefined : tables.get(table);
    if (table === undefined || place === undefined) return [];
    if (Operation === undefined) return Alias !== undefined && bound.has(Alias) ? [] : [table];
    if (Operation !== 'Insert') return [];
    const source = Plans.find((plan) => plan['Parent Relationship'] === 'Outer');
    const value = source?.Output?.[place] ?? '';
    const from = /^(\w+)\./.exec(value)?.[1];
    return isOneValue.test(value) || (from !== undefined && bound.has(from)) ? [] : [table];
  });
  return [...new Set(across)].sort();
}
