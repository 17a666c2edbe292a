/** Writes and sends the file of a tenant that moves to another deployment; its key is made here and kept nowhere. */

import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { type OperationName, pathOf } from '../../client/request.ts';
import { readHead } from '../../connection/cells/file.ts';
import { looksLikeFileKey, newFileKey } from '../../secrets/sealed-file.ts';
import { configSource } from '../environment.ts';
import { CommandFailure, exitCodes, usageFailure } from '../failure.ts';
import { fieldOf, isRow, type Row } from '../output/fields.ts';
import { writeAnswer } from '../output/output.ts';
import { recordLines } from '../output/record.ts';
import { readSecret } from '../server/secret-input.ts';
import { checkConfirmable, confirm } from './confirmation.ts';
import type { VerbCall } from './declare.ts';
import { departureLines } from './departure-lines.ts';

const begin: OperationName = 'POST /tenants/{tenantId}/move-out';
const status: OperationName = 'GET /tenants/{tenantId}/move-out';
const file: OperationName = 'GET /tenants/{tenantId}/move-out/file';
const arrive: OperationName = 'POST /tenants/{tenantId}/move-in';
const sealedType = 'application/octet-stream';
const pollIntervalMs = 1_000;
/** The first line of a file is a short one. */
const headBytes = 4_096;

async function keyOf({ given }: VerbCall): Promise<string | undefined> {
  const reference = given.text('key');
  if (reference === undefined) return undefined;
  const key = (await readSecret(reference, '--key', configSource().environment)).trim();
  if (!looksLikeFileKey(key)) throw usageFailure('--key: this is no key of a file');
  return key;
}

const rowOf = (answer: unknown): Row => {
  if (isRow(answer)) return answer;
  throw new CommandFailure(exitCodes.error, 'the answer is not one of this version of Espalier');
};

async function waitUntilReady({ api, output, parameters }: VerbCall, first: Row): Promise<Row> {
  let departure = first;
  if (departure.state !== 'ready') output.say('waiting until what was under way has ended');
  while (departure.state === 'draining') {
    await pause(pollIntervalMs);
    departure = rowOf(await api.call('GET', pathOf(status, parameters)));
  }
  if (departure.state !== 'ready')
    throw new CommandFailure(exitCodes.error, 'the tenant does not leave: its move-out was cancelled');
  return departure;
}

export async function moveOut(call: VerbCall): Promise<number> {
  const { api, given, output, parameters } = call;
  const to = given.text('to') ?? '';
  if (given.flag('dryRun')) {
    const plan = await api.call('POST', pathOf(begin, parameters, { 'dry-run': 'true' }));
    await writeAnswer(output, plan, departureLines);
    output.say('nothing was changed: nothing is in the way');
    return 0;
  }
  if (!given.flag('yes')) {
    checkConfirmable(false);
    await confirm(output, `Fence ${parameters.tenantId}, so that nothing is done for it here any more?`, []);
  }
  const said = await keyOf(call);
  const key = said ?? newFileKey();
  const departure = await waitUntilReady(call, rowOf(await api.call('POST', pathOf(begin, parameters))));
  const incoming = await api.download(pathOf(file, parameters), sealedType, { 'x-espalier-file-key': key });
  const part = `${to}.${process.pid}.part`;
  try {
    await pipeline(incoming, createWriteStream(part, { mode: 0o600 }));
    await rename(part, to);
  } catch (error) {
    await rm(part, { force: true });
    throw new CommandFailure(exitCodes.error, `the file broke off: ${(error as Error).message}`);
  }
  await writeAnswer(
    output,
    { ...departure, file: to, ...(said === undefined ? { key } : {}) },
    departureLines,
  );
  output.say(
    `${to} opens with its key alone; on the other deployment: espalier tenants move-in ${to} --key -`,
  );
  return 0;
}

/** The tenant that the first line of a file names. */
async function tenantIn(path: string): Promise<string> {
  try {
    await using handle = await open(path);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    const [first = ''] = buffer.subarray(0, bytesRead).toString('utf8').split('\n', 1);
    return readHead(JSON.parse(first)).tenantId;
  } catch (error) {
    throw usageFailure(`${path}: ${(error as Error).message}`);
  }
}

export async function moveIn(call: VerbCall): Promise<number> {
  const { api, given, output } = call;
  const path = given.text('file') ?? '';
  const tenantId = await tenantIn(path);
  const key = await keyOf(call);
  if (key === undefined) throw usageFailure('--key: say where the key of the file is read from');
  const dryRun = given.flag('dryRun');
  const target = pathOf(arrive, { tenantId }, { 'dry-run': dryRun ? 'true' : undefined });
  const body = createReadStream(path);
  try {
    const answer = rowOf(await api.upload(target, sealedType, body, { 'x-espalier-file-key': key }));
    await writeAnswer(output, answer, recordLines);
    const name = String(fieldOf(answer, 'displayName'));
    output.say(
      dryRun ? 'nothing was changed: the file would be taken in' : `${name} lives here: run confirm for it`,
    );
    return 0;
  } finally {
    body.destroy();
  }
}
