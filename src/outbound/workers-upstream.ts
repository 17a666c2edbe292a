/**
 * The upstream of Workers, made of `fetch`: the platform pools connections, tries again where it may, checks addresses
 * and speaks HTTP. What it does not report stays unknown: a failure before the answer may or may not have been sent.
 */

import { type AddressPolicy, isAddressLiteral } from './addresses.ts';
import type {
  Upstream,
  UpstreamBody,
  UpstreamCall,
  UpstreamFailure,
  UpstreamHandler,
  UpstreamHead,
} from './upstream.ts';

/**
 * `fetch` decides these or has undone them: it unpacks a body, and then neither coding nor length are the instance's.
 */
const ofFetch = new Set(['content-encoding', 'content-length', 'transfer-encoding', 'set-cookie']);

/** Bodies up to this size are sent with their length; a longer one streams in chunks. */
const wholeBodyBytes = 65_536;

const failure = (kind: UpstreamFailure['kind'], sent: boolean, detail: string): UpstreamFailure => ({
  kind,
  sent,
  detail,
});

function headersOf(lines: string): Headers {
  const headers = new Headers();
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(': ');
    // The platform negotiates the coding of the body that it unpacks.
    if (colon < 1 || line.startsWith('accept-encoding:')) continue;
    headers.append(line.slice(0, colon), line.slice(colon + 2));
  }
  return headers;
}

/** Statuses with which a `Response` takes no body at all (Fetch standard, null body status). */
export const nullBodyStatuses = new Set([204, 205, 304]);

function headOf(response: Response, method: string): UpstreamHead {
  const { headers, status } = response;
  const isCoded = headers.has('content-encoding');
  const length = headers.get('content-length');
  const hasBody = method !== 'HEAD' && !nullBodyStatuses.has(status);
  return {
    status,
    contentLength:
      hasBody && !isCoded && length !== null && /^\d{1,15}$/.test(length) ? Number(length) : undefined,
    header: (name) => (ofFetch.has(name) ? undefined : (headers.get(name) ?? undefined)),
    eachHeader: (visit) => {
      headers.forEach((value, name) => {
        if (!ofFetch.has(name)) visit(name, value);
      });
    },
  };
}

async function wholeOf(body: UpstreamBody): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.chunks) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks.map((chunk) => new Uint8Array(chunk))).arrayBuffer());
}

function streamOf(body: UpstreamBody, onError: (error: unknown) => void): ReadableStream<Uint8Array> {
  const chunks = body.chunks[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        onError(error);
        controller.error(error);
      }
    },
    cancel: async () => {
      await chunks.return?.();
    },
  });
}

/** One exchange: its state, its timer, and that nothing is reported twice or after an abort. */
function createRun(handler: UpstreamHandler, timeoutMs: number) {
  const controller = new AbortController();
  let isOver = false;
  let timedOut = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let go: (() => void) | undefined;
  const rest = (): void => clearTimeout(timer);
  return {
    signal: controller.signal,
    isOver: () => isOver,
    timedOut: () => timedOut,
    rest,
    watch: () => {
      rest();
      timer = setTimeout(() => {
        timedOut = true;
        controller.abort();
      }, timeoutMs);
    },
    finish: (found?: UpstreamFailure) => {
      rest();
      if (isOver) return;
      isOver = true;
      if (found) handler.fail(found);
      else handler.end();
    },
    abort: () => {
      rest();
      if (isOver) return;
      isOver = true;
      controller.abort();
      go?.();
    },
    resume: () => go?.(),
    resumed: () =>
      new Promise<void>((resolve) => {
        go = resolve;
      }),
  };
}

type Run = ReturnType<typeof createRun>;

async function readBody(response: Response, handler: UpstreamHandler, run: Run): Promise<void> {
  const reader = response.body?.getReader();
  for (;;) {
    run.watch();
    const read = await reader?.read();
    if (run.isOver()) return;
    if (!read || read.done) return run.finish();
    if (read.value.byteLength === 0 || handler.data(read.value)) continue;
    // A caller that does not read is no silence of the instance.
    run.rest();
    await run.resumed();
  }
}

async function exchange(call: UpstreamCall, handler: UpstreamHandler, run: Run): Promise<void> {
  const { body, method, path, target } = call;
  let bodyFault: string | undefined;
  const recordFault = (error: unknown): void => {
    bodyFault = error instanceof Error ? error.message : 'the body broke off';
  };
  const isWhole = body?.length !== undefined && body.length <= wholeBodyBytes;
  let head: UpstreamHead | undefined;
  try {
    const sent = isWhole && body ? await wholeOf(body).catch(recordFault) : undefined;
    if (run.isOver()) return;
    if (bodyFault !== undefined || (sent && sent.byteLength !== body?.length)) {
      return run.finish(failure('aborted', false, bodyFault ?? 'the body is not as long as it said'));
    }
    run.watch();
    const response = await fetch(target.origin + path, {
      method,
      headers: headersOf(call.headerLines),
      body: sent
        ? new Uint8Array(sent)
        : body
          ? streamOf(body, recordFault)
          : method === 'POST'
            ? ''
            : undefined,
      ...(body && !sent ? { duplex: 'half' } : {}),
      redirect: 'manual',
      signal: run.signal,
    });
    if (run.isOver()) return;
    head = headOf(response, method);
    handler.head(head);
    if (!run.isOver()) await readBody(response, handler, run);
  } catch (error) {
    if (bodyFault !== undefined) return run.finish(failure('aborted', true, bodyFault));
    if (run.timedOut()) {
      return run.finish(failure(head ? 'idle-timeout' : 'first-byte-timeout', true, 'no answer in time'));
    }
    run.finish(failure(head ? 'reset' : 'connect', true, String(error)));
  }
}

/** `timeoutMs`: until the answer's head, and again between two parts of its body. */
export function createWorkersUpstream(policy: AddressPolicy, timeoutMs: number): Upstream {
  return (call, handler) => {
    const run = createRun(handler, timeoutMs);
    const { hostname } = new URL(call.target.origin);
    const later = (found: UpstreamFailure): void => queueMicrotask(() => run.finish(found));
    if (isAddressLiteral(hostname) && !policy.permits(hostname, hostname)) {
      later(failure('refused-address', false, `${hostname} is not globally reachable`));
    } else if (call.target.caCertificate !== undefined) {
      later(
        failure('connect', false, 'an own certificate authority per instance is not available on Workers'),
      );
    } else void exchange(call, handler, run);
    return { resume: run.resume, abort: run.abort };
  };
}
