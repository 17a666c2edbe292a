/** `espalier devices import` and `export`: routes of a tenant as CSV or NDJSON, up to a million rows. */

import type { Verb } from './declare.ts';
import { dryRunOption, tenantOption } from './kinds.ts';

const columns = 'deviceId,instanceId,jamfComputerId,serialNumber,udid,pinned';

export const transferVerbs = (ofTenant: string): readonly Verb[] => [
  {
    name: 'import',
    summary: 'put devices on computers, many at once, from a file or standard input',
    details: `CSV with the head ${columns}, or NDJSON with the same names; a file that ends in .gz is sent as it is. Bad rows are listed by line with the reason; exit code 1 if there are any.`,
    arguments: [{ name: 'file', text: 'a file, or - for standard input' }],
    options: [
      tenantOption,
      {
        flags: '--format <format>',
        text: "csv or ndjson; default: by the file's name or its first character",
        choices: ['csv', 'ndjson'],
      },
      {
        flags: '--mode <mode>',
        text: 'partial keeps the good rows, atomic refuses the whole for one bad row; default: partial',
        choices: ['partial', 'atomic'],
      },
      { flags: '--reason <text>', text: 'why, for the history' },
      dryRunOption,
    ],
    operations: ['POST /tenants/{tenantId}/devices/import'],
    examples: [
      [
        `devices import routes.csv ${ofTenant} --mode atomic --dry-run`,
        'checks every row and changes nothing',
      ],
      [`devices import - ${ofTenant} < routes.ndjson`, 'from standard input'],
    ],
    run: async (call) => (await import('./import-devices.ts')).importDevices(call),
  },
  {
    name: 'export',
    summary: 'every route of a tenant, to a file or standard output, as "devices import" takes it',
    details: 'NDJSON, or CSV with -o csv or where the name of the file ends in .csv.',
    options: [tenantOption, { flags: '--to <file>', text: 'a file; default: standard output' }],
    operations: ['GET /tenants/{tenantId}/devices/export', 'GET /tenants/{tenantId}/devices'],
    examples: [
      [`devices export ${ofTenant} --to routes.csv`, 'with a progress bar on a terminal'],
      [`devices export ${ofTenant} -o csv | gzip > routes.csv.gz`, 'to another program'],
    ],
    run: async (call) => (await import('./export-devices.ts')).exportDevices(call),
  },
];
