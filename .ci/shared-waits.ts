import type { Node } from 'oxc-parser';
import { reachedFrom, readTree, workerEntries } from './layers.ts';
import { type Functions, isFunction, pathTo, readSyntax, type Syntax } from './syntax.ts';

/**
 * On Workers no request may wait for what another one began: workerd cancels it with that one, and what it held never
 * comes back. `node .ci/shared-waits.ts` prints a line for each place, reached from what a Worker runs, by which calls could
 * wait for each other: a promise, or what resolves one, that is kept by something longer-lived than the call; a timer that
 * belongs to no call, also that of a cache; the use of a function that is made for it; and what says by itself that a
 * process shares it, for that is the runtime's to say. Work that nobody awaits is found too, for it ends with its request.
 * Each place that is allowed has a reason.
 */

export interface SharedWait {
  readonly file: string;
  readonly line: number;
  /** The variable, member or function. */
  readonly name: string;
  readonly what: string;
}

/** A Durable Object is what a process is: what only it reaches may be shared. */
const objects = new Set([
  'src/runtime/worker/deliverer.ts',
  'src/runtime/worker/directory.ts',
  'src/runtime/worker/snapshot/keeper.ts',
]);

/** Functions that let callers wait for each other; whoever calls one says why requests do not. */
const makers: Readonly<Record<string, readonly string[]>> = {
  'src/joining.ts': ['createJoining'],
  'src/semaphore.ts': ['createSemaphore', 'createKeyedSemaphore'],
  'src/store/group-commit.ts': ['createGroupCommit'],
  'src/store/locked-tenants.ts': ['createLockedTenants'],
  'src/untrusted/turns.ts': ['createTurns'],
};

/** Why no request of a Worker waits for another one there, or leaves work behind; and the number of places, where it is not 1. */
type Allowance = string | readonly [places: number, reason: string];

/** By file and name. */
const allowed: Readonly<Record<string, Readonly<Record<string, Allowance>>>> = {
  'src/admin/approvals/carry-out.ts': { renewApproval: 'it renews while its own request works' },
  'src/admin/devices/transfer/take-import.ts': { under: 'the staging of one import, which is one request' },
  'src/admin/devices/export.ts': {
    bulk: 'it ends the connection of its own request',
    semaphore: 'its request holds the place, and awaits it',
  },
  'src/store/unpipelined.ts': { work: 'its caller awaits what it resolves' },
  'src/admin/tenants/move-out.ts': { bulk: 'it ends the connection of its own request' },
  'src/admin/events/hub.ts': {
    setInterval: 'on Workers each stream polls for itself (events.ts)',
    pollOnce: [2, 'on Workers each stream polls for itself (events.ts)'],
  },
  'src/admin/events/stream.ts': { turn: 'the turns of one stream, which is one request' },
  'src/admin/idempotency.ts': { renewAttempt: 'it renews while its own request works' },
  'src/admin/operator-share.ts': { createKeyedSemaphore: 'only where a process shares it' },
  'src/admin/operators/cookies.ts': { deleteCookie: [2, 'it answers at once'] },
  'src/admin/operators/sessions.ts': { createGroupCommit: 'only where a process shares it' },
  'src/connection/confirm-progress.ts': { renewConfirmation: 'it renews while its own request works' },
  'src/deadline.ts': { work: 'it is awaited beside the signal' },
  'src/delivery/check-ins/fold.ts': {
    createGroupCommit: 'only where a process shares it',
    marking: [2, 'only where a process shares it'],
    underWay: 'only where a process shares it',
  },
  'src/delivery/check-ins/keeper.ts': {
    createGroupCommit: 'only where a process shares it',
    leasing: 'only where a process shares it',
  },
  'src/delivery/intake.ts': {
    createGroupCommit: [2, 'only where a process shares it'],
    createSemaphore: 'only where a process shares it',
  },
  'src/delivery/missed-events.ts': {
    actOnAll: 'only for a process, which has a place to keep marks in',
    keep: 'only for a process, which has a place to keep marks in',
  },
  'src/forwarding/begin-exchange.ts': { waiting: 'the reader of one exchange, which is one call' },
  'src/jamf/client.ts': { createSemaphore: 'on Workers a client lives in one request (instance-clients.ts)' },
  'src/jamf/token.ts': { createJoining: 'on Workers a client lives in one request (instance-clients.ts)' },
  'src/outbound/workers-upstream.ts': {
    exchange: 'its call waits for the handler that it feeds',
    go: 'the reader of one exchange, which is one call',
  },
  'src/outbound/workers.ts': { reader: 'the body that it gives up ends with its request anyway' },
  'src/runtime/gateway.ts': {
    createKeyedSemaphore: 'only where a process shares it',
    createTurns: 'only where a process shares it',
  },
  'src/store/breaker.ts': { probe: 'a Worker opens no breaker', setInterval: 'a Worker opens no breaker' },
  'src/store/change-feed.ts': {
    running: 'a Worker has one for each stream of events, which is one request',
    following: 'a Worker has one for each stream of events, which is one request',
  },
  'src/store/computers/leases.ts': { createGroupCommit: 'only in delivery, inside one Durable Object' },
  'src/store/credentials.ts': {
    createGroupCommit: 'only where a process shares it',
    renewals: 'only where a process shares it',
  },
  'src/store/database.ts': { old: 'a Worker opens no breaker' },
  'src/store/delivery-counts.ts': { writing: 'only in delivery, inside one Durable Object' },
  'src/store/guarded-client.ts': {
    begin: "a Worker's client has no breaker",
    pool: [2, "a Worker's client has no breaker"],
  },
  'src/store/notifications.ts': { sql: 'only for a process: a Worker notifies by its waker' },
  'src/store/row-cache.ts': {
    ask: 'only with a policy, which needs a feed of changes',
    row: 'only with a policy, which needs a feed of changes',
  },
  'src/store/timeline.ts': {
    createGroupCommit: 'only in delivery, inside one Durable Object',
    pending: 'only in delivery, inside one Durable Object',
  },
};

/** Methods by which something gets into a collection. */
const takesIn = new Set(['add', 'push', 'set', 'unshift']);

const nameIn = (node: Node | null | undefined): string | undefined =>
  node?.type === 'Identifier' ? node.name : undefined;

/** The variable that `a.b[c].d` begins with. */
function rootOf(node: Node): string | undefined {
  if (node.type === 'MemberExpression') return rootOf(node.object as Node);
  return node.type === 'ThisExpression' ? 'this' : nameIn(node);
}

function createScopes(syntax: Syntax) {
  function* around(node: Node): Generator<Node> {
    for (let at = syntax.parentOf(node); at !== undefined; at = syntax.parentOf(at)) yield at;
  }
  const functionAround = (node: Node): Functions | undefined => {
    for (const at of around(node)) if (isFunction(at)) return at;
    return undefined;
  };
  const declares = (statement: Node, name: string): boolean => {
    if (statement.type === 'ExportNamedDeclaration')
      return statement.declaration !== null && declares(statement.declaration as Node, name);
    return (
      statement.type === 'VariableDeclaration' &&
      statement.declarations.some(({ id }) => pathTo(id as Node, name) !== undefined)
    );
  };
  /** True where the variable lives inside of `inner`, and so no longer than a call of it. */
  const isLocalTo = (inner: Functions | undefined, name: string, at: Node): boolean => {
    if (inner === undefined) return false;
    for (const scope of around(at)) {
      if (scope.type === 'BlockStatement' && (scope.body as Node[]).some((one) => declares(one, name)))
        return true;
      if (isFunction(scope) && scope.params.some((one) => pathTo(one as Node, name) !== undefined))
        return true;
      if (scope === inner) return false;
    }
    return false;
  };
  return { around, functionAround, isLocalTo };
}

/** What a type is written for: undefined where a function only gives or takes it. */
function keeperOf(type: Node, syntax: Syntax, scopes: ReturnType<typeof createScopes>): string | undefined {
  let inArguments = false;
  for (const at of scopes.around(type)) {
    if (
      at.type === 'TSFunctionType' ||
      at.type === 'TSMethodSignature' ||
      at.type === 'TSTypeAliasDeclaration'
    )
      return undefined;
    if (at.type === 'TSPropertySignature' || at.type === 'PropertyDefinition')
      return syntax.textOf(at.key as Node);
    if (isFunction(at)) return undefined;
    if (at.type === 'TSTypeParameterInstantiation') inArguments = true;
    if (at.type === 'VariableDeclarator') {
      const declaration = syntax.parentOf(at);
      const isLet = declaration?.type === 'VariableDeclaration' && declaration.kind === 'let';
      // The promise of a constant belongs to the call that made it; a collection of them is looked at as such.
      return inArguments || isLet ? syntax.textOf(at.id as Node).split(':')[0] : undefined;
    }
  }
  return undefined;
}

/** Promises that a variable, a member or a collection keeps. */
function* keptPromises(syntax: Syntax, scopes: ReturnType<typeof createScopes>): Generator<[Node, string]> {
  for (const type of syntax.all('TSTypeReference')) {
    if (!/^Promise(Like)?$/.test(syntax.textOf(type.typeName as Node))) continue;
    const keeper = keeperOf(type, syntax, scopes);
    if (keeper !== undefined) yield [type, keeper];
  }
}

/** The names by which a new promise is resolved and rejected, with the call that makes it. */
function* resolvers(syntax: Syntax): Generator<{ readonly at: Node; readonly names: readonly string[] }> {
  for (const made of syntax.all('NewExpression')) {
    const [executor] = made.arguments;
    if (nameIn(made.callee as Node) !== 'Promise' || !executor || !isFunction(executor as Node)) continue;
    const { params } = executor as Functions;
    yield { at: made, names: params.flatMap((one) => nameIn(one as Node) ?? []) };
  }
  for (const call of syntax.all('CallExpression')) {
    const declarator = syntax.parentOf(call);
    if (syntax.textOf(call.callee as Node) !== 'Promise.withResolvers') continue;
    if (declarator?.type !== 'VariableDeclarator' || declarator.id.type !== 'ObjectPattern') continue;
    const names = declarator.id.properties.flatMap((one) =>
      one.type === 'Property' ? (nameIn(one.value as Node) ?? []) : [],
    );
    yield { at: call, names };
  }
}

const mentions = (text: string, names: readonly string[]): boolean =>
  names.some((name) => new RegExp(`\\b${name}\\b`).test(text));

/** Ways in which something of a call gets into what lives longer: the variable it gets into, and the text that names it. */
function* stores(
  syntax: Syntax,
): Generator<{ readonly at: Node; readonly into: string; readonly stored: string }> {
  for (const call of syntax.all('CallExpression')) {
    const callee = call.callee as Node;
    if (callee.type !== 'MemberExpression' || !takesIn.has(nameIn(callee.property as Node) ?? '')) continue;
    const into = rootOf(callee.object as Node);
    const stored = call.arguments.map((argument) => syntax.textOf(argument as Node)).join(' ');
    if (into !== undefined) yield { at: call, into, stored };
  }
  for (const assignment of syntax.all('AssignmentExpression')) {
    const into = rootOf(assignment.left as Node);
    if (into !== undefined) yield { at: assignment, into, stored: syntax.textOf(assignment.right as Node) };
  }
}

/** What resolves a promise and outlives the call that made it: whoever has it may let that call wait. */
function* keptResolvers(syntax: Syntax, scopes: ReturnType<typeof createScopes>): Generator<[Node, string]> {
  const all = [...stores(syntax)];
  for (const { at, names } of resolvers(syntax)) {
    const within = scopes.functionAround(at);
    const inside = (node: Node): boolean => within === undefined || [...scopes.around(node)].includes(within);
    // One step further: `const waiting = { item, resolve }`.
    const aliases = syntax
      .all('VariableDeclarator')
      .filter(({ init }) => init !== null && mentions(syntax.textOf(init as Node), names))
      .filter((declarator) => syntax.sourceOf(declarator) === syntax.sourceOf(at) && inside(declarator))
      .flatMap(({ id }) => nameIn(id as Node) ?? []);
    for (const store of all) {
      if (syntax.sourceOf(store.at) !== syntax.sourceOf(at) || !inside(store.at)) continue;
      if (!mentions(store.stored, [...names, ...aliases])) continue;
      if (!scopes.isLocalTo(within, store.into, store.at)) yield [store.at, store.into];
    }
  }
}

const isProcess = (node: Node): boolean => node.type === 'Literal' && node.value === 'process';

/** Calls of the makers, save where the sharing is handed on. */
function* madeWaits(syntax: Syntax): Generator<[Node, string]> {
  const ofFile = new Map(
    Object.entries(makers).flatMap(([file, names]) => names.map((name) => [name, file] as const)),
  );
  for (const call of syntax.all('CallExpression')) {
    const name = nameIn(call.callee as Node);
    const maker = name === undefined ? undefined : ofFile.get(name);
    if (name === undefined || maker === undefined || syntax.sourceOf(call).file === maker) continue;
    const [sharing] = call.arguments;
    if (name === 'createJoining' && sharing !== undefined && !isProcess(sharing as Node)) continue;
    yield [call, name];
  }
}

/** Finds code that shares as a process does, whatever its runtime says. A comparison with `process` is no fault: it only looks. */
function* ownSharing(syntax: Syntax): Generator<[Node, string]> {
  for (const literal of syntax.all('Literal')) {
    if (!isProcess(literal)) continue;
    const around = syntax.parentOf(literal);
    const isSaid =
      around?.type === 'Property'
        ? nameIn(around.key as Node) === 'sharing'
        : ['AssignmentPattern', 'ConditionalExpression', 'LogicalExpression'].includes(around?.type ?? '');
    if (isSaid) yield [literal, 'process'];
  }
}

/** Timers that are not ended by the function that begins them. */
function* timers(syntax: Syntax, scopes: ReturnType<typeof createScopes>): Generator<[Node, string]> {
  for (const call of syntax.all('CallExpression')) {
    if (nameIn(call.callee as Node) !== 'setInterval') continue;
    const within = scopes.functionAround(call);
    if (within === undefined || !syntax.textOf(within).includes('clearInterval('))
      yield [call, 'setInterval'];
  }
}

/** Caches whose clock is held by a timer: where its request ended first, the clock stands still and nothing is ever too old. */
function* heldClocks(syntax: Syntax): Generator<[Node, string]> {
  for (const made of syntax.all('NewExpression')) {
    const options = made.arguments.map((argument) => syntax.textOf(argument as Node)).join();
    if (nameIn(made.callee as Node) !== 'LRUCache' || !/\bttl\b/.test(options)) continue;
    if (!/\bttlResolution: 0\b/.test(options)) yield [made, 'ttl'];
  }
}

/** The function or variable that a chain of calls begins with. */
function calledFirst(call: Node): string {
  let called = call;
  while (called.type === 'CallExpression' || called.type === 'MemberExpression')
    called = (called.type === 'CallExpression' ? called.callee : called.object) as Node;
  return nameIn(called) ?? 'work';
}

/** Methods by which a promise's end is dealt with and not waited for. */
const dealsWithEnd = new Set(['then', 'catch', 'finally']);

/** Work that nobody awaits: it ends with its request, and so goes through `after`. */
function* unawaited(syntax: Syntax): Generator<[Node, string]> {
  for (const node of syntax.all('UnaryExpression')) {
    const call = node.argument as Node;
    if (node.operator === 'void' && call.type === 'CallExpression') yield [node, calledFirst(call)];
  }
  for (const statement of syntax.all('ExpressionStatement')) {
    const call = statement.expression as Node;
    if (call.type !== 'CallExpression' || call.callee.type !== 'MemberExpression') continue;
    if (dealsWithEnd.has(nameIn(call.callee.property as Node) ?? '')) yield [call, calledFirst(call)];
  }
}

/** `files`: path from the project's root to text. */
export function checkSharedWaits(files: ReadonlyMap<string, string>): SharedWait[] {
  const ofRequests = new Map([...files].filter(([file]) => !objects.has(file)));
  const syntax = readSyntax(reachedFrom(ofRequests, workerEntries));
  const scopes = createScopes(syntax);
  const found: [Iterable<[Node, string]>, string][] = [
    [keptPromises(syntax, scopes), 'keeps a promise for others to wait for'],
    [keptResolvers(syntax, scopes), 'keeps what ends the waiting of a call'],
    [madeWaits(syntax), 'lets its callers wait for each other'],
    [ownSharing(syntax), 'says by itself that callers may wait for each other, which the runtime says'],
    [timers(syntax, scopes), 'belongs to no request'],
    [heldClocks(syntax), 'is counted by a timer that belongs to no request: it needs `ttlResolution: 0`'],
    [unawaited(syntax), 'is awaited by nobody and ends with its request: give it to `after`'],
  ];
  const waits = found.flatMap(([nodes, what]) =>
    [...nodes].map(([node, name]) => ({
      file: syntax.sourceOf(node).file,
      line: syntax.lineOf(node),
      ...{ name, what },
    })),
  );
  const others = waits.filter((wait) => makers[wait.file] === undefined);
  const placesOf = (file: string, name: string): number =>
    others.filter((wait) => wait.file === file && wait.name === name).length;
  const allowedPlaces = (file: string, name: string): number => {
    const allowance = allowed[file]?.[name];
    return allowance === undefined ? 0 : typeof allowance === 'string' ? 1 : allowance[0];
  };
  const fewer = Object.entries(allowed).flatMap(([file, names]) =>
    Object.keys(names)
      .filter((name) => files.has(file) && placesOf(file, name) < allowedPlaces(file, name))
      .map((name) => ({
        ...{ file, line: 1, name },
        what: `is allowed at ${allowedPlaces(file, name)} places and is there at ${placesOf(file, name)}`,
      })),
  );
  const more = others.filter(({ file, name }) => placesOf(file, name) > allowedPlaces(file, name));
  return [...more, ...fewer];
}

export const describeSharedWait = ({ file, line, name, what }: SharedWait): string =>
  `${file}:${line} ${name} ${what}; on Workers a request that waits for another one is cancelled (src/joining.ts)`;

if (import.meta.main) {
  const waits = checkSharedWaits(readTree());
  for (const wait of waits) console.error(describeSharedWait(wait));
  process.exitCode = waits.length > 0 ? 1 : 0;
}
