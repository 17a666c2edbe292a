/** Streams the export to a file or standard output; a file appears under its name when it is whole. */

import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type OperationName, pathOf } from '../../client/request.ts';
import { CommandFailure, exitCodes, usageFailure } from '../failure.ts';
import { isRow } from '../output/fields.ts';
import { type Progress, startProgress } from '../output/progress.ts';
import type { VerbCall } from './declare.ts';

const operation: OperationName = 'GET /tenants/{tenantId}/devices/export';
const devices: OperationName = 'GET /tenants/{tenantId}/devices';
const newline = 0x0a;

/** Rows that are to come, for the bar; undefined where nobody looks at one. */
async function expected({ api, parameters }: VerbCall): Promise<number | undefined> {
  if (!process.stderr.isTTY) return undefined;
  const answer = await api.call('GET', pathOf(devices, parameters, { 'page-size': '1' }));
  return isRow(answer) && typeof answer.totalCount === 'number' ? answer.totalCount : undefined;
}

function counting(bar: Progress): { readonly through: Transform; lines(): number } {
  let lines = 0;
  const through = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      for (const byte of chunk) if (byte === newline) lines += 1;
      bar.update(lines);
      done(null, chunk);
    },
  });
  return { through, lines: () => lines };
}

function mediaTypeOf({ given, output }: VerbCall): string {
  if (output.format === 'yaml') throw usageFailure('an export is NDJSON or CSV: -o json or -o csv');
  const csv =
    output.format === 'csv' || (output.format === 'table' && /\.csv$/i.test(given.text('to') ?? ''));
  return csv ? 'text/csv' : 'application/x-ndjson';
}

export async function exportDevices(call: VerbCall): Promise<number> {
  const { api, given, output, parameters } = call;
  const mediaType = mediaTypeOf(call);
  const to = given.text('to');
  const total = await expected(call);
  const incoming = await api.download(pathOf(operation, parameters), mediaType);
  const bar =
    to === undefined && process.stdout.isTTY ? undefined : await startProgress('export', 'rows', total);
  const counter = counting(bar ?? { update: () => undefined, stop: () => undefined });
  const part = to === undefined ? undefined : `${to}.${process.pid}.part`;
  const target: Writable = part === undefined ? process.stdout : createWriteStream(part);
  try {
    await pipeline(incoming, counter.through, target, { end: part !== undefined });
    if (part !== undefined && to !== undefined) await rename(part, to);
  } catch (error) {
    if (part !== undefined) await rm(part, { force: true });
    throw new CommandFailure(exitCodes.error, `the export broke off: ${(error as Error).message}`);
  } finally {
    bar?.stop();
  }
  const rows = counter.lines() - (mediaType === 'text/csv' ? 1 : 0);
  if (to !== undefined) output.say(`${Math.max(0, rows)} routes in ${to}`);
  return 0;
}
