import { dirname, resolve } from 'node:path';
import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import { type Bearer, bearersOf, findDuplicates } from './duplicates.ts';
import type { Fault } from './fault.ts';
import { declaration, describeIssue, type InstanceIn, namedCertificates, type TenantIn } from './format.ts';
import { locate, type Path, pathText } from './locate.ts';
import type {
  Declared,
  DeclaredClient,
  DeclaredInstance,
  DeclaredKey,
  DeclaredOperator,
  DeclaredTenant,
  PartnerGroup,
  Place,
} from './model.ts';

/** A file as it was read. */
export interface SourceFile {
  /** Name as it was given; `-` is standard input. */
  readonly name: string;
  readonly text: string;
  /** Directory in which relative references begin. */
  readonly dir: string;
}

export const sourceOf = (name: string, text: string): SourceFile => ({
  name,
  text,
  dir: name === '-' ? process.cwd() : dirname(resolve(name)),
});

/** Uses of anchors, multiplied where anchors use anchors: enough for defaults of 10,000 tenants, no bomb. */
const maxAliases = 100_000;

export interface Parsed extends Declared {
  readonly faults: readonly Fault[];
}

interface Context {
  readonly source: SourceFile;
  readonly document: Document;
  readonly lines: LineCounter;
  readonly readFile: (path: string) => string;
  readonly faults: Fault[];
  readonly bearers: Bearer[];
}

const placeOf = ({ document, lines, source }: Context, path: Path): Place =>
  locate(document, lines, source.name, path);

function report(context: Context, path: Path, problem: string): void {
  const { faults, source } = context;
  faults.push({ place: placeOf(context, path), file: source.name, path: pathText(path), problem });
}

function clientOf(
  given: { clientId: string; clientSecret?: string | undefined; secretRef?: string | undefined } | undefined,
  dir: string,
): DeclaredClient | undefined {
  if (given === undefined) return undefined;
  const { clientId, clientSecret, secretRef } = given;
  if (secretRef !== undefined) return { clientId, secret: { kind: 'gateway', reference: secretRef } };
  if (clientSecret === undefined) return { clientId };
  return { clientId, secret: { kind: 'sent', reference: clientSecret, dir } };
}

/** The certificate itself where the file names another one. */
function certificateOf(
  context: Context,
  path: Path,
  given: string | null | undefined,
): string | null | undefined {
  if (given === undefined || given === null || !given.startsWith('file:')) return given;
  const file = resolve(context.source.dir, given.slice('file:'.length));
  try {
    // Line ends of Windows are no change of a certificate.
    const text = context.readFile(file).replaceAll('\r\n', '\n');
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
    report(context, path, `must be a certificate in PEM; ${file} holds none`);
  } catch (error) {
    report(context, path, `cannot be read: ${(error as Error).message}`);
  }
  return undefined;
}

function instanceOf(context: Context, path: Path, given: InstanceIn): DeclaredInstance {
  const { apiClient, caCertificate, ...rest } = given;
  return {
    ...rest,
    apiClient: clientOf(apiClient, context.source.dir),
    caCertificate: certificateOf(context, [...path, 'caCertificate'], caCertificate),
    place: placeOf(context, path),
  };
}

function groupOf(given: TenantIn['partnerGroup']): PartnerGroup | null | undefined {
  if (given === undefined || given === null) return given;
  const { displayName, id } = given;
  return id === undefined ? { displayName: displayName ?? '' } : { id };
}

function tenantOf(context: Context, path: Path, given: TenantIn): DeclaredTenant {
  const { application, instances, partnerGroup, ...rest } = given;
  return {
    ...rest,
    application: clientOf(application, context.source.dir),
    partnerGroup: groupOf(partnerGroup),
    instances: instances?.map((one, index) => instanceOf(context, [...path, 'instances', index], one)),
    place: placeOf(context, path),
  };
}

const nothing = {
  tenants: [] as DeclaredTenant[],
  keys: [] as DeclaredKey[],
  operators: [] as DeclaredOperator[],
};

/** Fields of one's own at the top, for anchors: they begin with `x-` and mean nothing. */
const withoutExtensions = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([name]) => !name.startsWith('x-')))
    : value;

function plainValue(context: Context): { readonly value: unknown } | undefined {
  const { document, faults, lines, source } = context;
  for (const { linePos, message, pos } of [...document.errors, ...document.warnings]) {
    const at = linePos?.[0] ?? lines.linePos(pos[0]);
    // The message ends with the lines themselves, which may hold what should not be printed.
    const [problem = ''] = message.split(/ at line \d+/);
    faults.push({
      place: { file: source.name, line: at.line, column: at.col },
      file: source.name,
      path: '',
      problem,
    });
  }
  // The last one of a repeated key counts, and all else stands where it seems to stand.
  const isBroken = document.errors.some(({ code }) => code !== 'DUPLICATE_KEY');
  if (isBroken || document.warnings.length > 0) return undefined;
  try {
    return { value: document.toJS({ maxAliasCount: maxAliases }) as unknown };
  } catch (error) {
    report(context, [], (error as Error).message);
    return undefined;
  }
}

/** Certificates of a document that is wrong elsewhere: what is wrong with them belongs to the same run. */
function checkCertificates(context: Context, value: unknown): void {
  const { data } = namedCertificates.safeParse(value);
  for (const [tenant, { instances }] of data?.tenants.entries() ?? [])
    for (const [instance, { caCertificate }] of instances.entries())
      certificateOf(context, ['tenants', tenant, 'instances', instance, 'caCertificate'], caCertificate);
}

function parseDocument(context: Context): typeof nothing {
  const plain = plainValue(context);
  if (plain === undefined) return nothing;
  context.bearers.push(...bearersOf(plain.value, (path) => placeOf(context, path)));
  const result = declaration.safeParse(withoutExtensions(plain.value), { error: describeIssue });
  if (!result.success) {
    for (const issue of result.error.issues) {
      if (issue.code !== 'unrecognized_keys') report(context, issue.path, issue.message);
      else for (const key of issue.keys) report(context, [...issue.path, key], 'is not known here');
    }
    checkCertificates(context, plain.value);
    return nothing;
  }
  const { keys = [], operators = [], tenants = [] } = result.data;
  return {
    tenants: tenants.map((one, index) => tenantOf(context, ['tenants', index], one)),
    keys: keys.map((one, index) => ({ ...one, place: placeOf(context, ['keys', index]) })),
    operators: operators.map((one, index) => ({ ...one, place: placeOf(context, ['operators', index]) })),
  };
}

const byPlace = (a: Fault, b: Fault): number =>
  (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0);

interface ParsedFile extends Parsed {
  readonly operators: readonly DeclaredOperator[];
  readonly bearers: readonly Bearer[];
}

/** YAML's line ends and byte order marks; the marks also where files were put one behind the other. */
const plainText = (text: string): string => text.replaceAll(/\r\n?/g, '\n').replaceAll(/^\ufeff/gm, '');

function parseFile(source: SourceFile, readFile: (path: string) => string): ParsedFile {
  const lines = new LineCounter();
  const faults: Fault[] = [];
  const bearers: Bearer[] = [];
  const documents = parseAllDocuments(plainText(source.text), {
    lineCounter: lines,
    merge: true,
    prettyErrors: true,
  });
  // An empty file has no documents at all, or one with nothing in it.
  const full = Array.isArray(documents)
    ? documents.filter(({ contents, errors }) => contents !== null || errors.length > 0)
    : [];
  if (full.length === 0) {
    faults.push({ place: undefined, file: source.name, path: '', problem: 'is empty' });
  }
  const parsed = full.map((document) =>
    parseDocument({ source, document, lines, readFile, faults, bearers }),
  );
  return {
    tenants: parsed.flatMap(({ tenants }) => tenants),
    keys: parsed.flatMap(({ keys }) => keys),
    operators: parsed.flatMap(({ operators }) => operators),
    faults: faults.sort(byPlace),
    bearers,
  };
}

/**
 * All files as one declaration, with every fault of every file. `readFile` reads the certificates that they name and
 * throws for one that cannot be read.
 */
export function parseFiles(sources: readonly SourceFile[], readFile: (path: string) => string): Parsed {
  const parsed = sources.map((source) => parseFile(source, readFile));
  return {
    tenants: parsed.flatMap(({ tenants }) => tenants),
    keys: parsed.flatMap(({ keys }) => keys),
    operators: parsed.flatMap(({ operators }) => operators),
    faults: [
      ...parsed.flatMap(({ faults }) => faults),
      ...findDuplicates(parsed.flatMap(({ bearers }) => bearers)),
    ],
  };
}
