import type { Context, Hono } from 'hono';
import type { DeviceCall } from '../forwarding/calls.ts';
import type { Forward, ForwardAnswer, PassThroughCall } from '../forwarding/forward.ts';
import type { PassThroughEntry } from '../forwarding/pass-through.ts';
import type { Shadow } from '../forwarding/shadow/shadow.ts';
import { bodyBytes } from '../limits.ts';
import { type Problem, ProblemError } from '../problems.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { noteOnSpan } from '../telemetry/tracing.ts';
import {
  bearerToken,
  type CallerRequest,
  type DeviceCalls,
  type RelayedCall,
  type RoutedCall,
  tokenFaults,
} from './device-call.ts';
import type { ListenerEnv, RequestFacts } from './listener.ts';
import { passThroughCall, passThroughPath } from './pass-through.ts';
import type { PassOn } from './relay.ts';
import { inRequestSpan } from './request-span.ts';

/** The data listener's device calls (contract section 6); what is decided about them is in device-call.ts. */
export interface MicrosoftSideOptions {
  readonly calls: Pick<DeviceCalls, 'decide' | 'done'>;
  readonly forward: Forward;
  readonly passOn: PassOn;
  /** The calls that may be passed through. */
  readonly passThrough: readonly PassThroughEntry[];
  readonly facts: RequestFacts;
  readonly metrics: Metrics;
  /** An answer on its way to the caller, who gets what this returns. */
  readonly onAnswered?: Shadow['onAnswered'];
  /** Writes an answer as it comes; each runtime has its own fastest way. */
  readonly respond: (c: Context, answer: ForwardAnswer) => Response | Promise<Response>;
}

const refuse = (found: Problem): ProblemError => new ProblemError(found);

function bearerOf(c: Context<ListenerEnv>, facts: RequestFacts): string {
  if (facts.headerCount(c, 'authorization') !== 1 || facts.headerCount(c, 'host') > 1) {
    throw refuse(tokenFaults.none);
  }
  const token = bearerToken(c.req.header('authorization'));
  if (token === undefined) throw refuse(tokenFaults['no-bearer']);
  return token;
}

/** The call, or a function that makes it of the request and the device's computer; it may throw `ProblemError`. */
type WantedCall = DeviceCall | ((jamfComputerId: number) => PassThroughCall);

async function deviceCall(
  c: Context<ListenerEnv>,
  options: MicrosoftSideOptions,
  call: WantedCall,
): Promise<Response> {
  const started = performance.now();
  const asking: CallerRequest = {
    role: c.req.method === 'GET' || c.req.method === 'HEAD' ? 'Device.Read' : 'Device.Write',
    token: bearerOf(c, options.facts),
    tenantId: c.req.param('tenantId'),
    deviceId: c.req.param('deviceId'),
  };
  const decision = await options.calls.decide(asking, options.facts.remoteAddress(c));
  if (decision.kind === 'refuse') throw refuse(decision.problem);
  try {
    if (decision.kind === 'relay') return await relayCall(c, options, decision);
    return await forwardCall(c, options, call, decision, started);
  } finally {
    options.calls.done(decision);
  }
}

const relayCall = (
  c: Context<ListenerEnv>,
  { passOn }: MicrosoftSideOptions,
  { relay, tenantId }: RelayedCall,
): Promise<Response> =>
  inRequestSpan(
    c,
    () => ({ 'espalier.tenant': tenantId }),
    () => passOn(c, { tenantId, relay, from: 'known', bodyBytes }),
  );

/** The answer is complete when this resolves, where the runtime streams it itself. */
function forwardCall(
  c: Context<ListenerEnv>,
  options: MicrosoftSideOptions,
  call: WantedCall,
  { deviceId, instance, target }: RoutedCall,
  started: number,
): Promise<Response> {
  const asked = typeof call === 'string' ? call : call(target.jamfComputerId);
  const name = typeof call === 'string' ? call : 'pass-through';
  return inRequestSpan(
    c,
    () => ({
      'espalier.tenant': instance.tenantId,
      'espalier.instance': instance.instanceId,
      'espalier.call': name,
    }),
    async () => {
      const result = await options.forward({
        call: asked,
        instance,
        jamfComputerId: target.jamfComputerId,
        headers: c.req.raw.headers,
        requestId: c.get('requestId'),
        signal: c.req.raw.signal,
      });
      const outcome = result.ok ? String(result.answer.status) : result.problem.slug;
      noteOnSpan({ 'espalier.outcome': outcome });
      options.metrics.forward(outcome, (performance.now() - started) / 1_000);
      if (!result.ok) throw refuse(result.problem);
      const { instanceId, tenantId } = instance;
      const answered = { tenantId, deviceId, instanceId, call: name };
      return options.respond(c, options.onAnswered?.(answered, result.answer) ?? result.answer);
    },
  );
}

export function addMicrosoftRoutes(app: Hono<ListenerEnv>, options: MicrosoftSideOptions): void {
  app.get('/t/:tenantId/devices/:deviceId/compliance', (c) => deviceCall(c, options, 'compliance'));
  app.get('/t/:tenantId/devices/:deviceId/inventory', (c) => deviceCall(c, options, 'inventory'));
  app.post('/t/:tenantId/devices/:deviceId/recalculate', (c) => deviceCall(c, options, 'recalculate'));
  app.all(passThroughPath, (c) => deviceCall(c, options, (id) => passThroughCall(c, options, id)));
}
