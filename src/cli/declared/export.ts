/** `espalier export`: what there is, as a file that `apply` takes and finds nothing to do for. */

import { Document, isMap, isScalar, isSeq, type YAMLMap } from 'yaml';
import { type AdminApi, CommandFailure, exitCodes, openAdminApi } from '../admin-api.ts';
import { idOf } from '../commands/named.ts';
import { configSource } from '../environment.ts';
import { exitCodeOf } from './apply.ts';
import { apiVersion } from './format.ts';
import { inParallel } from './in-parallel.ts';
import type { PresentClient, PresentInstance, PresentOperator, PresentTenant } from './model.ts';
import { readAllTenants, readOperators, readTenant, requestsAtOnce } from './read-present.ts';
import { printable } from './show-plan.ts';

export interface ExportArguments {
  readonly tenant?: readonly string[];
  /** Only tenants with this tag. */
  readonly selectTag?: string;
  /** Ids of instances too, for a file in which names are to be changed. */
  readonly ids?: boolean;
  readonly output: 'json' | 'yaml';
}

/** A secret that the gateway keeps is left out: what a file does not say stays as it is. */
const exportClient = ({ clientId, secretRef }: PresentClient) => ({
  clientId,
  ...(secretRef === null ? {} : { secretRef }),
});

function exportInstance({ id, name, versionLock: _, ...fields }: PresentInstance, ids: boolean) {
  return { name, ...(ids ? { id } : {}), ...fields, apiClient: exportClient(fields.apiClient) };
}

/** Names are ordered by code units: the same on every machine, whatever its language. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function exportTenant(tenant: PresentTenant, ids: boolean) {
  const {
    application,
    displayName,
    instances,
    landing,
    partnerGroup,
    paused,
    tags,
    tenantId,
    versionLock: _,
    ...fields
  } = tenant;
  const { defaultInstanceId, ...landed } = landing;
  const defaultInstance = instances.find(({ id }) => id === defaultInstanceId)?.name;
  return {
    tenantId,
    displayName,
    ...fields,
    ...(application === null ? {} : { application: exportClient(application) }),
    paused,
    partnerGroup,
    tags,
    landing: { ...landed, ...(defaultInstance === undefined ? {} : { defaultInstance }) },
    instances: [...instances]
      .sort((a, b) => compare(a.name, b.name))
      .map((instance) => exportInstance(instance, ids)),
  };
}

/** Those who are bound themselves: what follows for others follows again. */
const exportOperators = (operators: readonly PresentOperator[]) =>
  operators
    .filter(({ assignment }) => assignment === 'own')
    .map(({ id, tenants }) => ({ id, tenants: tenants === null ? null : [...tenants].sort(compare) }))
    .sort((a, b) => compare(a.id, b.id));

export const exportObject = (
  tenants: readonly PresentTenant[],
  { ids, operators = [] }: { readonly ids: boolean; readonly operators?: readonly PresentOperator[] },
) => ({
  apiVersion,
  ...(exportOperators(operators).length === 0 ? {} : { operators: exportOperators(operators) }),
  tenants: [...tenants]
    .sort((a, b) => compare(a.displayName, b.displayName) || compare(a.tenantId, b.tenantId))
    .map((tenant) => exportTenant(tenant, ids)),
});

const mapsOf = (node: unknown): YAMLMap[] => (isSeq(node) ? node.items.filter((item) => isMap(item)) : []);

/** Says at a client whose secret is not in the file why it is not. */
function remarkSecret(map: YAMLMap, field: string): void {
  const client = map.get(field, true);
  if (!isMap(client) || client.has('secretRef')) return;
  const clientId = client.get('clientId', true);
  if (isScalar(clientId)) clientId.comment = ' its secret is kept by the gateway';
}

export function exportYaml(declaration: ReturnType<typeof exportObject>): string {
  const document = new Document(declaration, { aliasDuplicateObjects: false });
  document.commentBefore =
    ' Written by "espalier export"; "espalier apply" takes it. Secrets that the gateway keeps are not in it:\n' +
    ' on a gateway that does not have them, give clientSecret or secretRef where the remarks stand.';
  for (const tenant of mapsOf(document.get('tenants', true))) {
    tenant.commentBefore = ` ${printable(String(tenant.get('displayName')))}`;
    remarkSecret(tenant, 'application');
    for (const instance of mapsOf(tenant.get('instances', true))) remarkSecret(instance, 'apiClient');
  }
  return document.toString({ lineWidth: 0 });
}

/** Only an admin reads whom Entra signs in; whoever is none exports the tenants, and is told what is missing. */
async function operatorsFor(api: AdminApi): Promise<PresentOperator[]> {
  try {
    return await readOperators(api);
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitCode !== exitCodes.permission) throw error;
    process.stderr.write('espalier: operators are not exported: to read them takes the role admin\n');
    return [];
  }
}

/** The exit code (contract section 9). */
export async function runExport({
  ids = false,
  output,
  selectTag,
  tenant = [],
}: ExportArguments): Promise<number> {
  try {
    const api = openAdminApi(configSource().environment);
    const found =
      tenant.length === 0
        ? await readAllTenants(api)
        : await inParallel([...new Set(tenant)], requestsAtOnce, async (typed) => {
            const tenantId = await idOf(api, 'tenant', typed);
            const named = await readTenant(api, tenantId);
            if (named === undefined)
              throw new CommandFailure(exitCodes.notFound, `there is no tenant ${printable(tenantId)}`);
            return named;
          });
    const tenants = found.filter(({ tags }) => selectTag === undefined || tags.includes(selectTag));
    const operators = tenant.length === 0 && selectTag === undefined ? await operatorsFor(api) : [];
    const declaration = exportObject(tenants, { ids, operators });
    process.stdout.write(
      output === 'json' ? `${JSON.stringify(declaration, null, 2)}\n` : exportYaml(declaration),
    );
    return 0;
  } catch (error) {
    return exitCodeOf(error);
  }
}
