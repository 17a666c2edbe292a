/** The commands of set-up by file; what they do is loaded when one of them runs. */

import { type Command, InvalidArgumentError } from 'commander';
import { tagPattern } from '../../ids.ts';
import { addExamples, declareOperations } from '../commands/declare.ts';
import { outputOf } from '../commands/output-of.ts';
import type { ApplyArguments } from './apply.ts';
import type { ExportArguments } from './export.ts';

function readTag(value: string): string {
  if (!tagPattern.test(value))
    throw new InvalidArgumentError('must be one tag: letters, digits, ".", "_" and "-"');
  return value;
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

export function addApply(program: Command): void {
  const command = program
    .command('apply')
    .description('make tenants, instances and keys as files say')
    .requiredOption(
      '-f, --file <path>',
      'a file, a directory of them, or - for standard input; repeatable',
      collect,
    )
    .option('--dry-run', 'only print the plan; exit code 10 when something would change')
    .option('--prune', 'delete instances and tenants that the files do not name')
    .option(
      '--select-tag <tag>',
      'touch only tenants with this tag, and give it to new ones; --prune then deletes no others',
      readTag,
    )
    .option('--force', 'with --prune: delete also what has devices')
    .option('--update-secrets', 'send every clientSecret again; what was sent before cannot be compared')
    .option(
      '--keys-dir <dir>',
      'where new keys are written, each into a file of its own that only you can read',
    )
    .option('--reason <text>', 'why, for the history')
    .addHelpText(
      'after',
      `
The file, in short (docs/declarative.md has every field and the order of operations):

  apiVersion: espalier.dev/v1
  tenants:
    - tenantId: 3f2504e0-4f89-41d3-9a0c-0305e82c3301
      displayName: Contoso
      instances:
        - name: berlin
          url: https://berlin.jamfcloud.com
          apiClient:
            clientId: 8f1c…
            clientSecret: file:berlin.secret   # read here and sent; or secretRef: env:NAME, read by the gateway

A field that the file does not have stays as it is; null ends partnerGroup, caCertificate and clientCertificateSha256.
Nothing is done when a part of the plan is refused. Without --prune nothing is ever deleted.

Exit codes: 0 everything is as declared, 1 a step failed or the plan is refused, 2 a file or option is wrong,
3 key not accepted, 4 not found, 5 role too low, 6 too many requests,
10 something would change (--dry-run) or waits for a second operator`,
    )
    .action(async (options: Omit<ApplyArguments, 'output'>, command: Command) => {
      const { runApply } = await import('./apply.ts');
      process.exitCode = await runApply({
        ...options,
        output: outputOf(command, ['table', 'json'], 'table'),
      });
    });
  addExamples(command, [
    ['apply -f espalier.yaml --dry-run', 'what would be done; exit code 10 when something would'],
    ['apply -f customers/ --keys-dir keys', 'a directory of files; new keys go into files of their own'],
    ['apply -f customers/ --prune', 'and what they do not name is deleted'],
    ['apply -f team-a/ --select-tag team-a --prune', "the same, and another team's tenants stay as they are"],
  ]);
  declareOperations(command, [
    'GET /tenants',
    'POST /tenants',
    'GET /tenants/{tenantId}',
    'PATCH /tenants/{tenantId}',
    'DELETE /tenants/{tenantId}',
    'GET /tenants/{tenantId}/instances',
    'POST /tenants/{tenantId}/instances',
    'PATCH /tenants/{tenantId}/instances/{instanceId}',
    'DELETE /tenants/{tenantId}/instances/{instanceId}',
    'GET /keys',
    'POST /keys',
  ]);
}

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description('print what there is as a file that apply takes')
    .option(
      '--tenant <tenant>',
      'only this tenant, by id or name; repeatable; default: all that the key may see',
      collect,
    )
    .option('--select-tag <tag>', 'only tenants with this tag', readTag)
    .option('--ids', 'with the ids of instances, for a file in which their names are to be changed')
    .addHelpText(
      'after',
      `
Secrets are never printed: references as they are, sealed ones left out, with a remark in YAML. Keys are not exported.
The order is always the same, so that two exports can be compared; "espalier apply" finds nothing to do for an export.`,
    )
    .action(async (options: Omit<ExportArguments, 'output'>, command: Command) => {
      const { runExport } = await import('./export.ts');
      process.exitCode = await runExport({ ...options, output: outputOf(command, ['yaml', 'json'], 'yaml') });
    });
  addExamples(command, [
    ['export > espalier.yaml', 'a file that apply finds nothing to do for'],
    ['export --tenant 3f2504e0-4f89-41d3-9a0c-0305e82c3301 -o json', 'one tenant, as JSON'],
  ]);
  declareOperations(command, [
    'GET /tenants',
    'GET /tenants/{tenantId}',
    'GET /tenants/{tenantId}/instances',
  ]);
}

export function addSchema(program: Command): void {
  const command = program
    .command('schema')
    .summary('print the JSON Schema of espalier.yaml, for editors')
    .description(
      'print the JSON Schema of espalier.yaml, for editors\n\n' +
        'With it an editor completes fields, shows what each means and marks what apply would refuse for its form. For editors with yaml-language-server the first line of a file names it: "# yaml-language-server: $schema=espalier.schema.json".',
    )
    .action(async () => {
      const { declarationSchema } = await import('./json-schema.ts');
      process.stdout.write(`${JSON.stringify(declarationSchema(), null, 2)}\n`);
    });
  addExamples(command, [['schema > espalier.schema.json', 'beside espalier.yaml']]);
}
