import { DurableObject } from 'cloudflare:workers';
import type { ServedQuestion } from '../store/served.ts';
import type { TenantScope } from '../store/tenant-scope.ts';
import type { WorkerBindings } from './worker/config.ts';
import { createDeliverer, type DelivererState } from './worker/deliverer.ts';
import { createDirectory } from './worker/directory.ts';
import type { DirectoryAnswer } from './worker/directory-port.ts';
import { dataListener, type Isolate, openIsolate, type WorkerContext } from './worker/isolate.ts';
import { createSnapshotKeeper } from './worker/snapshot/keeper.ts';

/** Espalier on Cloudflare Workers: the data listener, health, delivery, what its caches go by, and the snapshot
 * (docs/workers.md). */

let isolate: Isolate | undefined;

async function isolateOf(bindings: WorkerBindings): Promise<Isolate> {
  // Two first requests may both open one: waiting for another request's promise is not allowed here.
  isolate ??= await openIsolate(bindings, dataListener);
  return isolate;
}

export default {
  async fetch(request: Request, bindings: WorkerBindings, context: WorkerContext): Promise<Response> {
    return (await isolateOf(bindings)).answer(request, bindings, context);
  },
  /** Once a minute: an object whose alarm was lost goes on. */
  async scheduled(_event: unknown, bindings: WorkerBindings): Promise<void> {
    await (await isolateOf(bindings)).wakeAll();
  },
};

export class Deliverer extends DurableObject<WorkerBindings> {
  readonly #deliverer = createDeliverer(this.ctx, this.env);

  wake(scope: TenantScope): Promise<void> {
    return this.#deliverer.wake(scope);
  }

  alarm(): Promise<void> {
    return this.#deliverer.alarm();
  }

  state(): Promise<DelivererState> {
    return this.#deliverer.state();
  }
}

export class Directory extends DurableObject<WorkerBindings> {
  readonly #directory = createDirectory(this.env);
  readonly #keeper = createSnapshotKeeper(this.ctx, this.env);

  versions(asked: readonly ServedQuestion[]): Promise<DirectoryAnswer> {
    return this.#directory.versions(asked);
  }

  keep(scope: TenantScope): Promise<void> {
    return this.#keeper.keep(scope);
  }

  alarm(): Promise<void> {
    return this.#keeper.alarm();
  }
}
