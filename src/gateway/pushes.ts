/**
 * An inventory push is read record by record while it arrives and committed in lots. What was committed stays accepted
 * whatever follows; the answer names what was refused by its place among the records.
 */

import { keptMembers, recordText } from '../delivery/computers/pushed-record.ts';
import type { PushedRecord } from '../delivery/intake.ts';
import { inUtf8, parseLenientJson, readBodyText, readPieceText } from '../jamf/body-text.ts';
import { parseComputer } from '../jamf/inventory.ts';
import { recordBytesTogether, recordLimits, recordsPerPush, recordsTogether } from '../limits.ts';
import { type FieldError, ProblemError, problem } from '../problems.ts';
import { structureFault } from '../untrusted/bounded-json.ts';
import {
  type Broken,
  createArrayReader,
  createLineReader,
  type ReadRecord,
  type RecordReader,
} from '../untrusted/json-records.ts';
import type { ValueFault } from '../untrusted/json-structure.ts';
import type { Work } from '../untrusted/turns.ts';

export interface Rejected {
  readonly index: number;
  readonly code: string;
  readonly description: string;
}

export interface TakenPush {
  readonly accepted: number;
  readonly rejected: readonly Rejected[];
}

const invalid = (code: string, description: string): ProblemError =>
  new ProblemError(
    problem('invalid-request', `body: ${description}`, { errors: [{ code, field: null, description }] }),
  );

/** This many bytes are scanned between two checks of the clock: it takes a fraction of a millisecond. */
const pieceBytes = 65_536;

const keptSet: ReadonlySet<string> = new Set(keptMembers);

const isLines = (contentType: string): boolean =>
  /^application\/(x-)?nd-?json|^application\/(json-?seq|x-jsonlines|jsonl)/i.test(contentType);

/**
 * Chooses the reader by content type: one object, an array, or one object a line. Throws `ProblemError` for another
 * type.
 */
export function recordReaderOf(contentType: string): RecordReader {
  if (isLines(contentType)) return createLineReader(recordLimits, keptSet);
  if (contentType !== '' && !/^application\/([\w.+-]+\+)?json|^text\/json/i.test(contentType)) {
    throw new ProblemError(
      problem('unsupported-media-type', 'Send application/json or application/x-ndjson.'),
    );
  }
  return createArrayReader(recordLimits, keptSet);
}

const faults: Readonly<Record<ValueFault, string>> = {
  INVALID_JSON: 'is not JSON',
  TOO_DEEP: `is nested deeper than ${recordLimits.depth} arrays and objects`,
  TOO_LARGE: `may be ${recordLimits.bytes} bytes at most, of which ${recordLimits.keptBytes} in members that are read`,
  TOO_MANY_MEMBERS: `may hold ${recordLimits.keptNodes} elements and members at most in what is read, ${recordLimits.membersOfObject} in one object`,
};

const brokenRecords: Readonly<Record<Exclude<Broken, 'hopeless'>, string>> = {
  'not-json': 'is not JSON; it and what follows it were not read',
  'cut-off': 'the body ends in the middle of the records',
  'after-the-end': 'stands behind the end of the records and was not read',
};

type Read = PushedRecord | Omit<Rejected, 'index'>;

function readRecord({ fault, text }: ReadRecord, contentType: string): Read {
  if (text === undefined)
    return { code: fault ?? 'INVALID_JSON', description: faults[fault ?? 'INVALID_JSON'] };
  let value: unknown;
  try {
    value = parseLenientJson(readPieceText(text, contentType));
  } catch (error) {
    return { code: 'INVALID_JSON', description: `not JSON: ${(error as Error).message}` };
  }
  return readValue(value);
}

function readValue(value: unknown): Read {
  const parsed = parseComputer(value);
  if (!parsed.ok) {
    const [first] = parsed.errors;
    return {
      code: first?.code ?? 'INVALID_RECORD',
      description: parsed.errors
        .map(({ description, field }) => (field === '' ? description : `${field}: ${description}`))
        .join('; '),
    };
  }
  return {
    jamfComputerId: Number(parsed.computer.jamfComputerId),
    text: recordText(value as Record<string, unknown>),
    reportAt: parsed.computer.reportedAt ?? null,
  };
}

/**
 * The records of a small body of JSON that is there as a whole: nearly every push is one, and the reader costs more than
 * it does. undefined: it is to be read record by record, for something is wrong with it.
 */
function smallRecords(bytes: Uint8Array, contentType: string): Read[] | undefined {
  const text = readBodyText(bytes, contentType);
  if (structureFault(text, { depth: recordLimits.depth, nodes: recordLimits.keptNodes }) !== undefined)
    return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.map(readValue) : [readValue(value)];
  } catch {
    return undefined;
  }
}

/** Takes a small body at once; answers undefined where it is to be read record by record (`takeRecords`). */
export async function takeSmallPush(
  bytes: Uint8Array,
  contentType: string,
  store: (records: readonly PushedRecord[]) => Promise<void>,
): Promise<TakenPush | undefined> {
  const read = isLines(contentType) ? undefined : smallRecords(bytes, contentType);
  if (read === undefined || read.length === 0) return undefined;
  const records = read.filter((one) => 'text' in one);
  await store(records);
  const rejected = read.flatMap((one, index) => ('text' in one ? [] : [{ index, ...one }]));
  return { accepted: records.length, rejected };
}

/** The problem of a body of which some records were taken already says how many. */
function afterSome(error: ProblemError, accepted: number): ProblemError {
  if (accepted === 0) return error;
  const { detail, errors, headers, retryAfterSeconds, slug } = error.problem;
  const taken =
    accepted === 1 ? 'The record before was accepted.' : `The ${accepted} records before were accepted.`;
  return new ProblemError(problem(slug, `${detail} ${taken}`, { errors, headers, retryAfterSeconds }));
}

const tooManyRecords = (): ProblemError =>
  new ProblemError(problem('payload-too-large', `A push may hold ${recordsPerPush} records at most.`));

const hopeless = (): ProblemError =>
  new ProblemError(
    problem('payload-too-large', `A record may be nested ${recordLimits.depth} arrays and objects deep.`),
  );

export interface PushBody {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly contentType: string;
  /** Told again and again how many bytes of records are held; throws `ProblemError` where they are too many. */
  readonly hold?: (bytes: number) => void;
}

/** Reads the whole body and stores its records; throws `ProblemError` where nothing of it could be taken. */
export async function takeRecords(
  { chunks, contentType, hold }: PushBody,
  reader: RecordReader,
  work: Work,
  store: (records: readonly PushedRecord[]) => Promise<void>,
): Promise<TakenPush> {
  let accepted = 0;
  const rejected: Rejected[] = [];
  let lot: PushedRecord[] = [];
  let lotCharacters = 0;

  const commit = async (): Promise<void> => {
    if (lot.length === 0) return;
    await store(lot);
    accepted += lot.length;
    lot = [];
    lotCharacters = 0;
  };
  const holdAll = (): void => hold?.(reader.held() + lotCharacters);
  const takeAll = async (records: Iterable<ReadRecord>): Promise<void> => {
    for (const record of records) {
      if (record.index >= recordsPerPush) throw tooManyRecords();
      const read = readRecord(record, contentType);
      if ('text' in read) {
        lot.push(read);
        lotCharacters += read.text.length;
        holdAll();
      } else rejected.push({ index: record.index, ...read });
      // It is asked before a commit too: the stretch ends there.
      const isOver = work.isOver();
      if (lot.length >= recordsTogether || lotCharacters >= recordBytesTogether) {
        await commit();
        await work.turn();
      } else if (isOver) await work.turn();
    }
    // A piece without a record took its time and its memory too.
    work.isOver();
    holdAll();
  };

  try {
    for await (const chunk of inUtf8(chunks)) {
      for (let from = 0; from < chunk.length && reader.broken() === undefined; from += pieceBytes) {
        await work.turn();
        await takeAll(reader.read(chunk.subarray(from, from + pieceBytes)));
      }
      if (reader.broken() !== undefined) break;
    }
    await work.turn();
    await takeAll(reader.end());
    if (reader.broken() === 'hopeless') throw hopeless();
  } catch (error) {
    // A record that the database refused is not sent to it again; anything else is the body's fault.
    if (!(error instanceof ProblemError)) throw error;
    await commit();
    if (!isTail(error) || accepted === 0) throw afterSome(error, accepted);
    rejected.push({
      // The one that is broken off, or that would have come next.
      index: accepted + rejected.length,
      code: 'INVALID_GZIP',
      description: 'the body cannot be unpacked from here on',
    });
    return { accepted, rejected };
  }
  await commit();
  return ended(reader, accepted, rejected);
}

const isTail = (error: ProblemError): boolean =>
  error.problem.errors?.some(({ code }) => code === 'INVALID_GZIP') === true;

function ended(reader: RecordReader, accepted: number, rejected: Rejected[]): TakenPush {
  const broken = reader.broken();
  if (broken !== undefined && broken !== 'hopeless') {
    const description = brokenRecords[broken];
    if (accepted === 0 && rejected.length === 0) throw invalid('INVALID_JSON', description);
    rejected.push({ index: reader.count() - 1, code: 'INVALID_JSON', description });
    if (accepted === 0) throw refusedAll(rejected);
  }
  if (reader.count() === 0) throw invalid('EMPTY', 'the body holds no record');
  return { accepted, rejected };
}

/** A body that breaks off and of which nothing was taken is refused as a whole. */
function refusedAll(rejected: readonly Rejected[]): ProblemError {
  const errors: FieldError[] = rejected
    .slice(-20)
    .map(({ code, description, index }) => ({ code, field: String(index), description }));
  return new ProblemError(problem('invalid-request', 'Nothing of the body could be taken.', { errors }));
}
