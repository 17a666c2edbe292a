import { performance } from 'node:perf_hooks';
import { instanceRequest } from '../../forwarding/calls.ts';
import type { AnswerObserver } from '../../forwarding/shadow/shadow.ts';
import type { ReadyCall } from '../../gateway/device-call.ts';
import { requestIdOf } from '../../gateway/request-id.ts';
import type { UpstreamExchange, UpstreamHandler } from '../../outbound/upstream.ts';
import { problemKinds } from '../../problems.ts';
import type { CallSpan } from '../../telemetry/http-spans.ts';
import type { TraceIds } from '../../telemetry/work-context.ts';
import type { InstanceLines } from './lines.ts';
import type { LaneRequest } from './reader.ts';
import type { LaneServices } from './services.ts';

/** What the caller is answered with; undefined: he did not wait for it. */
function statusOfOutcome(outcome: string): number | undefined {
  if (/^\d{3}$/.test(outcome)) return Number(outcome);
  return (problemKinds as Readonly<Record<string, { readonly status: number }>>)[outcome]?.status;
}

/** One request in the lane: its exchange with the instance, and what is counted, traced and compared of it. */
export class LaneCall {
  readonly request: LaneRequest;
  readonly requestId: string;
  readonly #services: LaneServices;
  readonly #startedMs = performance.now();
  /** Holds a place among the calls under way. */
  #ready: ReadyCall | undefined;
  #exchange: UpstreamExchange | undefined;
  #span: CallSpan | undefined;
  #trace: TraceIds | undefined;
  #observer: AnswerObserver | undefined;
  #status = 0;

  constructor(services: LaneServices, request: LaneRequest) {
    this.#services = services;
    this.request = request;
    this.requestId = requestIdOf(request.requestId);
  }

  forward(ready: ReadyCall, linesOf: InstanceLines, handler: UpstreamHandler): void {
    const { instance, instanceToken, inventoryVersion, target } = ready;
    this.#ready = ready;
    const services = this.#services;
    const { request } = this;
    this.#observer = services.observe(request, instance);
    const asked = instanceRequest(request.call, target.jamfComputerId, inventoryVersion);
    const upstreamTarget = services.targetOf(instance);
    this.#span = services.traced(request, instance, upstreamTarget, asked, this.requestId);
    this.#trace = this.#span?.ids;
    this.#exchange = services.upstream(
      {
        target: upstreamTarget,
        method: asked.method,
        path: upstreamTarget.basePath + asked.path,
        headerLines: linesOf(request, instanceToken, this.requestId, this.#span),
        body: undefined,
      },
      handler,
    );
  }
  resume(): void {
    this.#exchange?.resume();
  }
  /** No answer of the instance is wanted any more. */
  abort(outcome: string): void {
    this.#exchange?.abort();
    this.#close(outcome);
  }

  begun(status: number): void {
    this.#status = status;
    this.countForward(String(status));
  }
  chunk(chunk: Uint8Array): void {
    this.#observer?.chunk(chunk);
  }
  text(body: string): void {
    this.#observer?.text(body);
  }
  /** The answer of the instance is complete. */
  ended(): void {
    this.#observer?.end(this.#status);
    this.#observer = undefined;
    this.#close(String(this.#status));
  }
  /** The instance gave no answer that can be passed on. */
  failed(outcome: string): void {
    this.countForward(outcome);
    this.abort(outcome);
  }
  countForward(outcome: string): void {
    this.#services.onForward(outcome, this.#seconds());
  }

  /** Once for each call: the caller has its answer, or all of it that it will get. */
  answered(status: number = this.#status): void {
    this.#services.onAnswer(this.request, status, this.requestId, this.#seconds(), this.#trace);
  }

  #seconds(): number {
    return (performance.now() - this.#startedMs) / 1_000;
  }
  #close(outcome: string): void {
    if (this.#ready !== undefined) {
      this.#services.calls.done(this.#ready);
      this.#ready = undefined;
    }
    this.#exchange = undefined;
    this.#span?.end(outcome, statusOfOutcome(outcome));
    this.#span = undefined;
    this.#observer?.drop();
    this.#observer = undefined;
  }
}
