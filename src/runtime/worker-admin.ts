import { adminListener } from './worker/admin.ts';
import type { WorkerBindings } from './worker/config.ts';
import { type Isolate, openIsolate, type WorkerContext } from './worker/isolate.ts';

/** Espalier's admin API, console and sign-in on Cloudflare Workers, as a Worker of its own (docs/workers.md). */

let isolate: Isolate | undefined;

export default {
  async fetch(request: Request, bindings: WorkerBindings, context: WorkerContext): Promise<Response> {
    // Two first requests may both open one: waiting for another request's promise is not allowed here.
    isolate ??= await openIsolate(bindings, adminListener);
    return isolate.answer(request, bindings, context);
  },
};
