/** Streams a file to the import; nothing of it is held here. */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { PassThrough, type Readable, Transform } from 'node:stream';
import { type OperationName, pathOf } from '../../client/request.ts';
import { CommandFailure, exitCodes, usageFailure } from '../failure.ts';
import { fieldOf, isRow, type Row } from '../output/fields.ts';
import { writeList } from '../output/list.ts';
import { writeAnswer } from '../output/output.ts';
import { startProgress } from '../output/progress.ts';
import type { VerbCall } from './declare.ts';

const operation: OperationName = 'POST /tenants/{tenantId}/devices/import';
const mediaTypes = { csv: 'text/csv', ndjson: 'application/x-ndjson' } as const;
type TransferFormat = keyof typeof mediaTypes;

interface Source {
  readonly body: Readable;
  /** Undefined for standard input. */
  readonly bytes: number | undefined;
}

async function openSource(file: string): Promise<Source> {
  if (file === '-') return { body: process.stdin, bytes: undefined };
  try {
    const { size } = await stat(file);
    return { body: createReadStream(file), bytes: size };
  } catch (error) {
    throw usageFailure(`${file} cannot be read: ${(error as Error).message}`);
  }
}

const isPacked = (file: string): boolean => /\.gz$/i.test(file);

const byName = (file: string): TransferFormat | undefined => {
  const name = file.replace(/\.gz$/i, '');
  if (/\.csv$/i.test(name)) return 'csv';
  return /\.(ndjson|jsonl|json)$/i.test(name) ? 'ndjson' : undefined;
};

/** The first character that is no space tells, and stays in the stream. */
async function sniff(body: Readable): Promise<{ format: TransferFormat; body: Readable }> {
  const through = body.pipe(new PassThrough());
  body.on('error', (error) => through.destroy(error));
  for (;;) {
    const chunk: Buffer | null = through.read();
    if (chunk !== null) {
      through.unshift(chunk);
      return {
        format: chunk
          .toString('utf8')
          .replace(/^\ufeff/, '')
          .trimStart()
          .startsWith('{')
          ? 'ndjson'
          : 'csv',
        body: through,
      };
    }
    if (through.readableEnded || body.readableEnded) return { format: 'csv', body: through };
    await new Promise<void>((resolve, reject) => {
      through.once('readable', resolve).once('end', resolve).once('error', reject);
    });
  }
}

const rejectedOf = (answer: Row): readonly Row[] =>
  Array.isArray(answer.rejected) ? answer.rejected.filter(isRow) : [];

/** The answer lists only the first of very many refused rows. */
const rejectedCountOf = (answer: Row): number => {
  const count = answer.rejectedCount;
  return typeof count === 'number' ? count : rejectedOf(answer).length;
};

async function writeRejected(call: VerbCall, answer: Row): Promise<void> {
  const { output } = call;
  const rejected = rejectedOf(answer);
  if (output.format === 'json' || output.format === 'yaml') return writeAnswer(output, answer);
  if (rejected.length === 0) return;
  const page = { totalCount: rejectedCountOf(answer), results: rejected };
  const columns = ['line', 'code', 'description'].map((field) => ({ field }));
  async function* pages() {
    yield page;
  }
  await writeList(output, pages(), { columns, fields: ['line', 'code', 'description'] });
}

/** The exit code: 1 when a row was refused. */
export async function importDevices(call: VerbCall): Promise<number> {
  const { api, given, output, parameters } = call;
  const file = given.text('file') ?? '-';
  const source = await openSource(file);
  const said = given.text('format') ?? byName(file);
  const known: TransferFormat | undefined = said === 'csv' || said === 'ndjson' ? said : undefined;
  if (known === undefined && isPacked(file))
    throw usageFailure(`${file}: say --format csv or ndjson, its name does not`);
  const { body, format } =
    known === undefined ? await sniff(source.body) : { body: source.body, format: known };
  const bar = await startProgress('import', 'bytes', source.bytes);
  let sent = 0;
  const counted = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      sent += chunk.byteLength;
      bar.update(sent, sent === source.bytes ? 'waiting for the answer' : '');
      done(null, chunk);
    },
  });
  body.on('error', (error) => counted.destroy(error));
  try {
    const dryRun = given.flag('dryRun');
    const path = pathOf(operation, parameters, {
      mode: given.text('mode'),
      reason: given.text('reason'),
      'dry-run': dryRun ? 'true' : undefined,
    });
    const packed = isPacked(file) ? { 'content-encoding': 'gzip' } : undefined;
    const answer = await api.upload(path, mediaTypes[format], body.pipe(counted), packed);
    bar.stop();
    if (!isRow(answer))
      throw new CommandFailure(exitCodes.error, 'the answer is not one of this version of Espalier');
    const rejected = rejectedCountOf(answer);
    await writeRejected(call, answer);
    const accepted = String(fieldOf(answer, 'accepted'));
    output.say(`${accepted} rows accepted, ${rejected} rejected${dryRun ? '; nothing was changed' : ''}`);
    return rejected > 0 ? 1 : 0;
  } finally {
    bar.stop();
    // A refusal that came early leaves the rest unread, and a pipe that nobody closes would keep the command alive.
    source.body.destroy();
  }
}
