import { type Context, Hono } from 'hono';
import { needs } from './access.ts';
import { answerJson, invalidField, invalidId, type JamfEnv, noSuchPath } from './answers.ts';
import type { Computer, Computers } from './inventory.ts';
import type { RenderContext } from './inventory-sections.ts';
import {
  type InventoryVersion,
  inventoryField,
  renderComputer,
  sectionNames,
  servesInventory,
} from './inventory-versions.ts';
import { comparisons, type Expression, matches, parseRsql, readValue } from './rsql.ts';

export interface InventoryRoutesOptions {
  readonly computers: Computers;
  readonly context: () => RenderContext;
}

type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly answer: Response };

const good = <T>(value: T): Read<T> => ({ ok: true, value });
const bad = (field: string, description: string): Read<never> => ({
  ok: false,
  answer: invalidField(field, description),
});

// The usual upper bound (unverified, domain/jamf.md 8, "Paging").
const largestPage = 2000;

/** The version of the path, if this server has it; older servers answer 404 and clients fall back. */
function versionOf(c: Context<JamfEnv>, serverVersion: string): InventoryVersion | undefined {
  const number = Number(c.req.param('version')?.slice(1));
  const version = ([1, 2, 3, 4] as const).find((candidate) => candidate === number);
  return version !== undefined && servesInventory(serverVersion, version) ? version : undefined;
}

function readSections(c: Context<JamfEnv>, version: InventoryVersion): Read<ReadonlySet<string>> {
  const asked = c.req.queries('section')?.flatMap((value) => value.split(',')) ?? ['GENERAL'];
  const known = sectionNames(version);
  const unknown = asked.find((name) => !known.includes(name));
  return unknown === undefined ? good(new Set(asked)) : bad('section', `No section ${unknown}`);
}

function readWhole(c: Context<JamfEnv>, names: readonly string[], fallback: number): number | undefined {
  const given = names.map((name) => c.req.query(name)).find((value) => value !== undefined);
  if (given === undefined) return fallback;
  return /^\d{1,9}$/.test(given) ? Number(given) : undefined;
}

function readPage(c: Context<JamfEnv>): Read<{ page: number; size: number }> {
  const page = readWhole(c, ['page'], 0);
  if (page === undefined) return bad('page', 'A whole number from 0');
  const size = readWhole(c, ['page-size', 'size', 'pagesize'], 100);
  if (size === undefined || size < 1 || size > largestPage)
    return bad('page-size', `A whole number from 1 to ${largestPage}`);
  return good({ page, size });
}

function readFilter(c: Context<JamfEnv>, version: InventoryVersion): Read<Expression | undefined> {
  const text = c.req.query('filter');
  if (text === undefined || text.trim() === '') return good(undefined);
  const parsed = parseRsql(text);
  if (parsed.kind === 'malformed') return bad('filter', `${parsed.reason} at ${parsed.at}`);
  for (const { field: name, values } of comparisons(parsed.expression)) {
    const field = inventoryField(name, version);
    if (!field) return bad(name, `Unknown field ${name} in filter`);
    const wrong = values.find((value) => readValue(field.kind, value) === undefined);
    if (wrong !== undefined) return bad(name, `${wrong} is not a value of ${name}`);
  }
  return good(parsed.expression);
}

type Order = (a: Computer, b: Computer) => number;

function readSort(c: Context<JamfEnv>, version: InventoryVersion): Read<Order> {
  const criteria = (c.req.queries('sort') ?? ['general.name:asc']).flatMap((value) => value.split(','));
  const orders: Order[] = [];
  for (const criterion of criteria) {
    const [name = '', direction = 'asc', ...rest] = criterion.trim().split(':');
    const field = inventoryField(name, version);
    if (!field?.sortable) return bad(name, `Unknown field ${name} in sort`);
    if ((direction !== 'asc' && direction !== 'desc') || rest.length > 0)
      return bad(name, `Unknown direction ${direction} in sort`);
    const sign = direction === 'asc' ? 1 : -1;
    orders.push((a, b) => {
      const left = field.read(a) ?? '';
      const right = field.read(b) ?? '';
      return left === right ? 0 : left < right ? -sign : sign;
    });
  }
  return good((a, b) => {
    for (const order of orders) {
      const result = order(a, b);
      if (result !== 0) return result;
    }
    return a.id - b.id;
  });
}

function select(computers: Computers, filter: Expression | undefined, version: InventoryVersion): Computer[] {
  if (!filter) return computers.list();
  return computers.list().filter((computer) =>
    matches(filter, (name) => {
      const field = inventoryField(name, version);
      return field ? { kind: field.kind, value: field.read(computer) } : { kind: 'text', value: null };
    }),
  );
}

function listComputers(c: Context<JamfEnv>, options: InventoryRoutesOptions): Response {
  const context = options.context();
  const version = versionOf(c, context.version);
  if (!version) return noSuchPath();
  const wanted = readSections(c, version);
  if (!wanted.ok) return wanted.answer;
  const paging = readPage(c);
  if (!paging.ok) return paging.answer;
  const filter = readFilter(c, version);
  if (!filter.ok) return filter.answer;
  const order = readSort(c, version);
  if (!order.ok) return order.answer;
  const found = select(options.computers, filter.value, version).sort(order.value);
  const { page, size } = paging.value;
  const results = found
    .slice(page * size, (page + 1) * size)
    .map((computer) => renderComputer(computer, { version, wanted: wanted.value, context }));
  return answerJson(200, { totalCount: found.length, results });
}

function oneComputer(c: Context<JamfEnv>, options: InventoryRoutesOptions, whole: boolean): Response {
  const context = options.context();
  const version = versionOf(c, context.version);
  if (!version) return noSuchPath();
  const wanted = whole ? good(new Set(sectionNames(version))) : readSections(c, version);
  if (!wanted.ok) return wanted.answer;
  const id = c.req.param('id') ?? '';
  const computer = /^\d+$/.test(id) ? options.computers.get(Number(id)) : undefined;
  if (!computer || computer.oddity === 'hidden') return invalidId(id);
  return answerJson(200, renderComputer(computer, { version, wanted: wanted.value, context }));
}

/** The reading half of the computer inventory, v1 to v4 by the server's version (domain/jamf.md 2.3). */
export function inventoryRoutes(options: InventoryRoutesOptions): Hono<JamfEnv> {
  const app = new Hono<JamfEnv>();
  const readComputers = needs('Read Computers');
  app.get('/api/:version{v[1-4]}/computers-inventory', readComputers, (c) => listComputers(c, options));
  app.get('/api/:version{v[1-4]}/computers-inventory/:id', readComputers, (c) =>
    oneComputer(c, options, false),
  );
  app.get('/api/:version{v[1-4]}/computers-inventory-detail/:id', readComputers, (c) =>
    oneComputer(c, options, true),
  );
  return app;
}
