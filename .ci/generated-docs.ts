import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiDocument as documentOf } from '../src/admin/api-docs/document.ts';
import type { Document } from '../src/admin/api-docs/openapi.ts';
import { createAdminApp } from '../src/admin/app.ts';
import type { AdminServices } from '../src/admin/context.ts';
import { oauthErrorKinds, type TokenErrorKind, tokenErrorKinds } from '../src/entra/error-kinds.ts';
import { createRateLimits } from '../src/gateway/rate.ts';
import { exportsAtOnce, importsAtOnce } from '../src/limits.ts';
import { type Owner, type ProblemSlug, problemKinds, problemTypeBase } from '../src/problems.ts';
import { groupOf, type SettingGroup, settingGroups } from '../src/runtime/setting-groups.ts';
import { type Setting, settings } from '../src/runtime/settings.ts';
import { minDatabaseConnections } from '../src/store/connection-budget.ts';
import { databaseUrlParameters } from '../src/store/database-url-parameters.ts';
import { createLog } from '../src/telemetry/log.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';
import { type Claim, claims } from './claims.ts';
import { clientTypes } from './client-types.ts';
import { commandModel } from './command-model.ts';
import { dashboard } from './dashboard.ts';
import { declaredFields } from './declared-fields.ts';
import { explainedEvents } from './event-texts.ts';
import { readTree } from './layers.ts';
import { logEvents } from './log-events.ts';
import { tableOwners } from './owners.ts';
import { servingGrants } from './serving-grants.ts';
import { readWrites, tables } from './statements.ts';
import { tableTexts } from './table-texts.ts';

/**
 * The documents that are made of the code: `node .ci/generated-docs.ts` writes them, with `--check` it compares and
 * exits 1 naming what is stale. Pages of problems are written by hand; what they repeat of the table is checked.
 */

const root = join(import.meta.dirname, '..');
const problemsFolder = 'docs/problems';

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

const code = (text: string): string => (text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``);

/** A default that is a value is set as code; one that is a remark stays plain. */
const defaultCell = (text: string): string => (/^\S+$/.test(text) && text !== 'unset' ? code(text) : text);

function settingRow(setting: Setting<unknown>): string[] {
  const marks = [...(setting.perCloud ? ['per cloud'] : []), ...(setting.secret ? ['secret'] : [])];
  const meaning = marks.length > 0 ? `${setting.meaning} (${marks.join('; ')})` : setting.meaning;
  return [code(setting.name), defaultCell(setting.defaultText), meaning, code(setting.example)];
}

/** The settings under one heading. */
function settingsOfGroup(group: SettingGroup): string {
  const entries = Object.entries(settings) as [keyof typeof settings, Setting<unknown>][];
  const rows = entries.filter(([key]) => groupOf[key] === group).map(([, setting]) => settingRow(setting));
  return `## ${group}\n\n${table(['Variable', 'Default', 'Meaning', 'Example'], rows)}`;
}

const settingsPage = (): string => `# Settings

For whoever runs a gateway: every variable. Made from \`src/runtime/settings.ts\` by \`npm run docs\`; change it there.

Espalier reads these environment variables at start, also from a file \`.env\` in the working directory. A wrong or
missing value stops the start with one line per fault that names the variable, what is wrong with the value, and a good
one. \`espalier config\` prints what is in force, secrets masked. A variable that begins with \`ESPALIER_\` and is read by
nobody is warned about with the nearest name; \`ESPALIER_INSTANCE_…\` is for secret references.

* \`.env\` is UTF-8, with or without a byte order mark, with the line ends of any system: \`NAME=value\`, \`export NAME=value\`,
  values in single, double or back quotes, comments behind \`#\`. \`$\` stands for itself, of a name that stands twice the last value
  counts, and what the environment says goes before the file. UTF-16 is refused.
* \`OTEL_…\`: the variables of OpenTelemetry's specification. A value that its SDK could not use stops the start and is named, and so does a
  temporality of metrics other than \`cumulative\`;
  \`OTEL_METRIC_EXPORT_TIMEOUT\` is never longer than \`OTEL_METRIC_EXPORT_INTERVAL\`. Nothing is exported unless an exporter
  or an endpoint is set.
* *per cloud*: the cloud's name in capitals may follow, \`-\` as \`_\`, for an application registered in one Microsoft
  cloud: \`ESPALIER_ENTRA_CLIENT_ID_USGOV\`. Credentials take \`_NEXT\` after that for the second one during a rotation:
  \`ESPALIER_ENTRA_CERT_FILE_USGOV_NEXT\`.
* *secret*: masked wherever Espalier shows its configuration.

${settingGroups.map(settingsOfGroup).join('\n\n')}

## DATABASE_URL

What \`psql\` connects with, Espalier, \`espalier migrate\` and \`espalier doctor\` connect with:
\`postgresql://user:password@host:5432/database?parameter=value\`, several hosts with commas, \`[::1]\` for an IPv6 address,
and a Unix socket as \`postgresql:///database?host=/var/run/postgresql\` or
\`postgresql://%2Fvar%2Frun%2Fpostgresql/database\`. Whatever is no letter or digit in a user name, password or database
name is best percent-encoded: \`%20\` is a space, \`%40\` an \`@\`.

Each parameter that libpq knows is honoured, ignored, or refused in one line that names it; other ones are refused. The
variable of libpq beside it is read where the URL says nothing. libpq's other variables (PGPASSFILE, PGSERVICE) and its
files below the home directory are not read.

${table(
  ['Parameter', 'Variable', '', 'Note'],
  [...databaseUrlParameters].map(([name, { note, treatment, variable }]) => [
    code(name),
    variable === undefined ? '' : code(variable),
    treatment,
    note,
  ]),
)}

## Connections

\`ESPALIER_DATABASE_CONNECTIONS\` is what a \`serve\` or \`worker\` may open at the same time; several processes of a \`serve\` have
equal parts of it. A process shares its part out like this:

${table(
  ['For', 'Connections'],
  [
    ['watching the database: whether it is there and ready, what changed, what is due', '4'],
    ['filling the cache of routes after a start', '1'],
    [
      'imports and exports, one each',
      `${importsAtOnce + exportsAtOnce}; 2 with fewer than ${minDatabaseConnections + 4}`,
    ],
    ['what delivery writes without waiting for the disk', 'a fifth of the rest'],
    ['operators: the admin API and the console', 'a sixth of the rest'],
    ['everything else', 'what is left; webhooks and pushes hold three quarters of it at most'],
  ],
)}

A start has one or two of its own before. \`espalier doctor\` compares with what the server, the role and the database allow.

## Settings of the server, the role and the database

Each connection sets what Espalier assumes, whatever the server, the database or the role says: how values are written and
read, time-outs, isolation, and that a commit waits for the disk. \`search_path\` and \`default_transaction_read_only\` stay as
they are: the tables are in the first schema of \`search_path\` that has them, or in its first one if none has, and what was
frozen is not written to. \`espalier migrate\` needs \`CREATE\` in that schema, not on the database, and names a grant that is
missing. Imports need \`TEMPORARY\` on the database, which every role has unless it was revoked.

## Poolers

A pooler between Espalier and PostgreSQL has to leave each connection its session: pgbouncer with \`pool_mode = session\`, its
default, and a \`default_pool_size\` of at least \`ESPALIER_DATABASE_CONNECTIONS\` for each process; nothing else needs to be
set there. With \`pool_mode = transaction\` or \`statement\`, \`serve\`, \`worker\` and \`migrate\` end at once and say so, and so
does \`espalier doctor\`: sessions are needed for LISTEN, for prepared statements and for imports and exports. On Workers
Espalier needs no session, so a pooler of transactions (Hyperdrive) is fine there; what a transaction assumes is set within
it. A single statement outside of one takes the role's settings but for \`DateStyle\`, \`TimeZone\` and
\`standard_conforming_strings\`: leave \`extra_float_digits\`, \`bytea_output\` and \`IntervalStyle\` at their defaults there.

## Other variables

The variables of OpenTelemetry, \`OTEL_*\`, are read by its SDK and are not listed here; without them nothing is exported. On
Cloudflare Workers, which have no SDK, some of them count: [workers.md](workers.md#metrics-and-traces).
\`NODE_EXTRA_CA_CERTS\` names a PEM file of certificate authorities to trust besides the public ones.
`;

const slugs = Object.keys(problemKinds).sort() as ProblemSlug[];

const problemsPage = (): string => `# Problems

Made from \`src/problems.ts\` by \`npm run docs\`; the pages themselves are written by hand.

Every error of every listener is an RFC 9457 problem, \`application/problem+json\`, with Jamf Pro's members beside, so that
tools made for Jamf Pro read it. \`type\` ends in the slug; \`detail\` says what happened in this request; \`errors\` names the
fields at fault; \`instance\` is the request id, also sent as \`X-Request-Id\`, which the log has too. \`owner\` says who has
to act: it is the one below unless the answer says otherwise. A person's browser, which asks for \`text/html\`, gets the same
as a page in English or French, save on paths that programs call: \`/api/\`, \`/jamf/\`, device calls and notifications.

${table(
  ['Slug', 'Status', 'Title', 'Owner'],
  slugs.map((slug) => {
    const { owner, status, title } = problemKinds[slug];
    return [`[${slug}](${slug}.md)`, String(status), title, owner];
  }),
)}

| Owner | Who that is |
| --- | --- |
| \`caller\` | whoever sent the request |
| \`routing\` | the operator who keeps Espalier's tenants, instances and devices |
| \`configuration\` | the operator who keeps Espalier's settings and credentials |
| \`instance\` | whoever runs the Jamf Pro server |
| \`microsoft\` | Microsoft, or whoever administers the Entra tenant |
| \`espalier\` | whoever runs this gateway |
`;

/** Called by nothing but the limits: no request reaches the app that the document is read from. */
const absentServices = new Proxy({ rateLimits: createRateLimits() } as AdminServices, {
  get: (present, name) =>
    name === 'rateLimits'
      ? present.rateLimits
      : () => {
          throw new Error(`${String(name)} is not there while the document is made`);
        },
});

function openApi(): Document {
  const log = createLog({
    level: 'error',
    format: 'json',
    write: (line) => process.stderr.write(`${line}\n`),
  });
  const app = createAdminApp(absentServices, { name: 'admin', log, metrics: createMetrics() });
  return documentOf(app);
}

function tablesPage(): string {
  const files = readTree();
  const owners = tableOwners(files, readWrites(files));
  const lines = [...tables.values()].sort().map((name) => {
    const text = tableTexts[name];
    if (text === undefined) throw new Error(`.ci/table-texts.ts says nothing of the table ${name}`);
    const owner = owners.find((one) => one.table === name);
    return [
      code(name),
      text.row,
      text.kept,
      owner === undefined ? '' : code(owner.module),
      owner?.verbs ?? '',
    ];
  });
  return `# Tables

For whoever runs or changes the database. Made from the code and \`.ci/table-texts.ts\` by \`npm run docs\`.

A table has one writer in \`src/store/\`, a file or a folder; triggers write what has none. Everybody else has it written by the writer's
verbs, which keep what the table promises: order of locks, back-off, notification. The folders that call them stand behind.

${table(['Table', 'A row is', 'Kept', 'Its writer', 'Verbs'], lines)}
`;
}

const eventsPage = (): string => `# Events of the log

For whoever reads, searches or alerts on the log. Made of the code by \`npm run docs\`.

A line is one event: \`time\`, \`level\`, \`event\`, then what belongs to it. In the work on a request it has \`requestId\`, the one that the
caller got as \`X-Request-Id\`; in a trace \`traceId\` and \`spanId\`. \`…\` stands for the name of a work that comes again and again. An
event may have more fields than are listed, of what it hands on. \`serve\` says \`ready\` by itself on stdout, with the addresses in use.

${table(
  ['Event', 'Level', 'Meaning', 'Fields'],
  explainedEvents(logEvents(readTree())).map(({ fields, levels, meaning, name }) => [
    code(name),
    levels.join(', '),
    meaning,
    fields.map(code).join(', '),
  ]),
)}
`;

const codesOf = (kind: TokenErrorKind): string =>
  [...tokenErrorKinds].flatMap(([code, one]) => (one === kind ? [String(code)] : [])).join(', ');

/** The refusals of Entra's token endpoint: how Espalier treats each and who has to do what. */
function entraErrorsPage(): string {
  const kinds = [...new Set([...tokenErrorKinds.values(), ...oauthErrorKinds.values()])];
  return `# What Entra refuses

For operators who see one of these causes in a tenant's status, in a step of \`confirm\` or in the log. Made from
\`src/entra/error-kinds.ts\` by \`npm run docs\`; what follows from a scope is in [connection.md](connection.md#what-entra-refuses).

${table(
  ['Cause', 'Scope', 'Owner', 'Codes (AADSTS)', 'Remedy'],
  kinds.map((kind) => [code(kind.cause), kind.scope, kind.owner, codesOf(kind), kind.remedy]),
)}

\`graph-not-available\` is \`intune-not-provisioned\` where the missing resource is Microsoft Graph: check \`graph\` in the clouds file, and
that the tenant still has Microsoft Graph under Enterprise applications. An invalid assertion whose text is about times is \`clock-wrong\`.

A code that is not listed is judged by the HTTP status (429: \`throttled\`; 5xx and 408: \`entra-unavailable\`), then by OAuth's \`error\`, else
it is \`unexpected-answer\`, transient. Without an answer: \`entra-timeout\` and \`entra-unreachable\` pass; \`authority-refused\`,
\`token-request-failed\`, \`credential-not-configured\` and \`credential-unreadable\` are of scope registration.

${table(
  ['OAuth `error`', 'Cause'],
  [...oauthErrorKinds].map(([error, { cause }]) => [code(error), code(cause)]),
)}
`;
}

const evidenceOf = (claim: Claim): string => {
  if ('documented' in claim) return `*documented*: ${claim.documented}`;
  if ('assumed' in claim) return `*assumed*: ${claim.assumed}`;
  const tests = claim.tested.map(
    ([file, ...names]) => `${code(file)}: ${names.map((name) => `"${name}"`).join(', ')}`,
  );
  return `*tested*: ${tests.join(', ')}`;
};

const claimsPage = (): string => `# Claims

For whoever judges Espalier's safety, or changes what a claim rests on. Made from \`.ci/claims.ts\` by \`npm run docs\`. The
[threat model](threat-model.md) says what is protected and against whom.

*Tested*: the test that is named fails when the claim is no longer true. *Documented*: a page says how it works; no test shows it alone.
*Assumed*: Espalier relies on it and cannot see to it.
${Object.entries(claims)
  .map(
    ([title, of]) =>
      `\n## ${title}\n\n${table(
        ['Claim', 'Known by'],
        of.map((claim) => [claim.claim, evidenceOf(claim)]),
      )}\n`,
  )
  .join('')}`;

/** In this order: the commands are made of the model that is written before them. */
const generated: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/settings.md': settingsPage,
  'docs/tables.md': tablesPage,
  'migrations/grants/serving.sql': servingGrants,
  'docs/entra-errors.md': entraErrorsPage,
  'docs/claims.md': claimsPage,
  'docs/events.md': eventsPage,
  'docs/openapi.json': () => `${JSON.stringify(openApi(), null, 2)}\n`,
  'src/cli/api-model.ts': () => commandModel(openApi()),
  'src/cli/declared/api-fields.ts': () => declaredFields(openApi()),
  'src/client/operations.ts': () => clientTypes(openApi()),
  'docs/cli.md': async () => (await import('./cli-reference.ts')).cliReference(),
  [`${problemsFolder}/README.md`]: problemsPage,
  'deploy/grafana/espalier.json': () => `${JSON.stringify(dashboard(), null, 2)}\n`,
};

const owners: Readonly<Record<Owner, true>> = {
  caller: true,
  routing: true,
  configuration: true,
  instance: true,
  microsoft: true,
  espalier: true,
};

/** Faults of one page: its example must be an answer that the table allows. */
function checkProblemPage(slug: ProblemSlug, page: string): string[] {
  const { status, title } = problemKinds[slug];
  const faults: string[] = [];
  if (!page.startsWith(`# ${slug}\n`)) faults.push(`does not begin with '# ${slug}'`);
  const example = /^```json\n(.*?)^```$/ms.exec(page)?.[1];
  if (example === undefined) return [...faults, 'has no example'];
  const body = JSON.parse(example) as Record<string, unknown>;
  const expected = { type: problemTypeBase + slug, title, status, httpStatus: status };
  for (const [name, value] of Object.entries(expected)) {
    if (body[name] !== value) faults.push(`has an example whose ${name} is not ${JSON.stringify(value)}`);
  }
  if (typeof body.owner !== 'string' || !(body.owner in owners))
    faults.push('has an example without a known owner');
  return faults;
}

/** Every slug has a page and every page a slug. */
function checkProblemPages(): string[] {
  const pages = readdirSync(join(root, problemsFolder)).filter((name) => name !== 'README.md');
  const missing = slugs.filter((slug) => !pages.includes(`${slug}.md`));
  const orphaned = pages.filter((name) => !slugs.some((slug) => name === `${slug}.md`));
  return [
    ...missing.map((slug) => `${problemsFolder}/${slug}.md is missing`),
    ...orphaned.map((name) => `${problemsFolder}/${name} belongs to no problem`),
    ...slugs
      .filter((slug) => !missing.includes(slug))
      .flatMap((slug) => {
        const path = `${problemsFolder}/${slug}.md`;
        return checkProblemPage(slug, readFileSync(join(root, path), 'utf8')).map(
          (found) => `${path} ${found}`,
        );
      }),
  ];
}

const present = (path: string): string | undefined => {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

async function main(check: boolean): Promise<string[]> {
  const faults = checkProblemPages();
  for (const [path, make] of Object.entries(generated)) {
    const text = await make();
    if (present(path) === text) continue;
    if (check) faults.push(`${path} is stale: npm run docs`);
    else writeFileSync(join(root, path), text);
  }
  return faults;
}

const faults = await main(process.argv.includes('--check'));
for (const found of faults) console.error(found);
process.exitCode = faults.length > 0 ? 1 : 0;
