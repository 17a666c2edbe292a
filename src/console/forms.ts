import type { Context } from 'hono';
import type { ListenerEnv, RequestFacts } from '../gateway/listener.ts';
import type { Sharing } from '../joining.ts';
import {
  fileFormBytes,
  fileFormMs,
  fileFormsAtOnce,
  fileFormsWaiting,
  formBodyBytes,
  formParts,
  longFormBytes,
} from '../limits.ts';
import { ProblemError, problem } from '../problems.ts';
import { createSharedBound, type Semaphore } from '../semaphore.ts';
import type { ConsolePage, Files, Form } from './visit.ts';

/** What a page's forms post, within the bounds of that page. */

export interface Posted {
  readonly form: Form;
  readonly files: Files;
}

const boundOf = ({ forms }: Pick<ConsolePage, 'forms'>): number =>
  ({ short: formBodyBytes, long: longFormBytes, files: fileFormBytes })[forms ?? 'short'];

const unreadable = (): ProblemError =>
  new ProblemError(problem('invalid-request', 'The form cannot be read: send it again from its page.'));

/** Counted before it is parsed: a body of nothing but tiny parts would become as many objects. */
function checkParts(bytes: Uint8Array, contentType: string): void {
  const [, quoted, bare] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? bare;
  if (boundary === undefined) throw unreadable();
  const text = new TextDecoder('latin1').decode(bytes);
  let count = 0;
  for (let from = text.indexOf(`--${boundary}`); from >= 0; from = text.indexOf(`--${boundary}`, from + 1)) {
    count += 1;
    if (count > formParts + 1) throw unreadable();
  }
}

async function readMultipart(bytes: Uint8Array<ArrayBuffer>, contentType: string): Promise<Posted> {
  checkParts(bytes, contentType);
  const form = new URLSearchParams();
  const files = new Map<string, File>();
  const read = new Response(bytes, { headers: { 'content-type': contentType } }).formData();
  const parts = await read.catch(() => {
    throw unreadable();
  });
  for (const [name, value] of parts) {
    if (typeof value === 'string') form.append(name, value);
    else files.set(name, value);
  }
  return { form, files };
}

export async function readForm(
  c: Context<ListenerEnv>,
  readBody: RequestFacts['readBody'],
  page: Pick<ConsolePage, 'forms'>,
): Promise<Posted> {
  const bytes = new Uint8Array(await readBody(c, boundOf(page)));
  const contentType = c.req.header('content-type') ?? '';
  if (page.forms === 'files' && /^multipart\/form-data\b/i.test(contentType))
    return readMultipart(bytes, contentType);
  return { form: new URLSearchParams(new TextDecoder().decode(bytes)), files: new Map() };
}

/** Forms with files are held in memory while they are worked on: few at a time. */
export function createFormTurns(sharing: Sharing): (page: Pick<ConsolePage, 'forms'>) => Semaphore {
  const ofFiles = createSharedBound({
    sharing,
    limit: fileFormsAtOnce,
    maxWaiting: fileFormsWaiting,
    longestMs: fileFormMs,
  });
  const atOnce: Semaphore = (work) => work();
  return ({ forms }) => (forms === 'files' ? ofFiles : atOnce);
}
