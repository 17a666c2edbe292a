/** Services that the fast lane shares with Node's streams, and its reports of what it did. */

import type { Duplex } from 'node:stream';
import type { InstanceRequest } from '../../forwarding/calls.ts';
import type { AnswerObserver, Shadow } from '../../forwarding/shadow/shadow.ts';
import type { DeviceCalls } from '../../gateway/device-call.ts';
import type { Pressure } from '../../gateway/pressure.ts';
import type { SocketAccess } from '../../outbound/node-sockets.ts';
import type { Upstream, UpstreamTarget } from '../../outbound/upstream.ts';
import type { Instance } from '../../store/instances/instance.ts';
import { type CallSpan, startCallSpan, traceIdsOfCaller } from '../../telemetry/http-spans.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { isSampled } from '../../telemetry/tracing.ts';
import type { TraceIds } from '../../telemetry/work-context.ts';
import type { CallerOf } from '../node-caller.ts';
import type { Activity } from '../node-connections.ts';
import type { RefusalTurns } from '../node-refusal-turns.ts';
import type { LaneRequest } from './reader.ts';

export interface LaneServices {
  readonly pressure: Pressure;
  readonly calls: Pick<DeviceCalls, 'warm' | 'prepare' | 'done' | 'hashToken'>;
  /** Address of the caller of a request on this connection, as on the ordinary way. */
  readonly callerOf: CallerOf;
  readonly refusals: RefusalTurns;
  readonly upstream: Upstream;
  readonly targetOf: (instance: Instance) => UpstreamTarget;
  /** A span for the share of calls that are traced. */
  readonly traced: (
    request: LaneRequest,
    instance: Instance,
    target: UpstreamTarget,
    asked: InstanceRequest,
    requestId: string,
  ) => CallSpan | undefined;
  /** Once for each answered request; `trace`: its span's, if it had one. */
  readonly onAnswer: (
    request: LaneRequest,
    status: number,
    requestId: string,
    seconds: number,
    trace: TraceIds | undefined,
  ) => void;
  /** Observes the answer, where a move compares it with another instance's. */
  readonly observe: (request: LaneRequest, instance: Instance) => AnswerObserver | undefined;
  readonly onForward: (outcome: string, seconds: number) => void;
  readonly sockets: SocketAccess;
}

/** Services with the listener's knowledge of its connections. */
export interface ConnectionServices extends LaneServices {
  readonly keepAliveSeconds: number;
  /** Header lines that every answer of the listener has. */
  readonly commonLines: string;
  /** Is informed when a request begins and ends. */
  readonly activityOf: (socket: Duplex) => Activity;
}

export interface LaneParts {
  readonly pressure: Pressure;
  readonly callerOf: CallerOf;
  readonly refusals: RefusalTurns;
  readonly calls: DeviceCalls;
  readonly upstream: Upstream;
  readonly targetOf: (instance: Instance) => UpstreamTarget;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly shadow: Pick<Shadow, 'observe'>;
  readonly sockets: SocketAccess;
  /** Share of the calls that are traced where the caller did not ask for it, 0 to 1. */
  readonly traceShare: number;
}

/** Routes are named as in Hono, so that calls of both kinds count under the same labels. */
const routes = {
  compliance: '/t/:tenantId/devices/:deviceId/compliance',
  inventory: '/t/:tenantId/devices/:deviceId/inventory',
  recalculate: '/t/:tenantId/devices/:deviceId/recalculate',
} as const;

export function createLaneServices(parts: LaneParts): LaneServices {
  const { callerOf, calls, log, metrics, pressure, refusals, shadow, sockets } = parts;
  const { targetOf, traceShare, upstream } = parts;
  const answered = {
    compliance: metrics.requestsOf('data', routes.compliance),
    inventory: metrics.requestsOf('data', routes.inventory),
    recalculate: metrics.requestsOf('data', routes.recalculate),
  };
  return {
    ...{ calls, callerOf, pressure, refusals, sockets, upstream },
    targetOf,
    traced: ({ call, deviceId, method, tenantId, traceparent }, { instanceId }, target, asked, requestId) => {
      if (traceShare === 0 || !(isSampled(traceparent) || Math.random() < traceShare)) return undefined;
      const attributes = {
        'espalier.request.id': requestId,
        'espalier.tenant': tenantId,
        'espalier.instance': instanceId,
        'espalier.call': call,
      };
      const path = `/t/${tenantId}/devices/${deviceId}/${call}`;
      const { basePath, origin } = target;
      return startCallSpan(
        { method, route: routes[call], path, traceparent, attributes },
        { method: asked.method, url: origin + basePath + asked.path },
      );
    },
    observe: ({ call, deviceId }, { instanceId, tenantId }) =>
      shadow.observe({ call, deviceId, instanceId, tenantId }),
    onForward: metrics.forward,
    onAnswer: ({ call, method, traceparent }, status, requestId, seconds, trace) => {
      answered[call](status, seconds);
      if (log.debugs === false) return;
      const ms = Math.round(seconds * 1_000);
      log.debug('request', {
        ...{ listener: 'data', method, route: routes[call], status, ms, requestId },
        ...(trace ?? traceIdsOfCaller(traceparent)),
      });
    },
  };
}
