import type { JamfFailure } from '../jamf/failure.ts';
import type { OutboundFailure, OutboundResponse, OutboundResult, Send } from '../outbound/port.ts';
import { type Problem, problem } from '../problems.ts';
import type { Instance } from '../store/instances.ts';
import { type DeviceCall, instanceRequest } from './calls.ts';
import { requestHeaders, responseHeaders } from './headers.ts';

/** Carries a device call to the instance that manages the Mac and brings its answer back as it comes. */

/** The instance's own API token: the caller's never reaches it. */
export interface InstanceAuthorization {
  /** A bearer token, another one than `refused` (after a 401), or why there is none. */
  token(refused: string | undefined): Promise<{ ok: true; token: string } | JamfFailure>;
  /** Newest inventory version of the instance, 1 to 4. */
  inventoryVersion(): Promise<{ ok: true; inventoryVersion: number } | JamfFailure>;
}

export interface ForwardRequest {
  readonly call: DeviceCall;
  readonly instance: Instance;
  readonly jamfComputerId: number;
  readonly headers: Headers;
  readonly requestId: string;
  readonly signal?: AbortSignal;
}

export interface ForwardAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array>;
}

export type ForwardResult =
  | { readonly ok: true; readonly answer: ForwardAnswer }
  | { readonly ok: false; readonly problem: Problem };

export interface ForwardOptions {
  readonly send: Send;
  readonly authorizationOf: (instance: Instance) => InstanceAuthorization;
  readonly timeoutMs: number;
}

const failed = (found: Problem): ForwardResult => ({ ok: false, problem: found });

function problemOfExchange(failure: OutboundFailure): Problem {
  switch (failure.failure) {
    case 'refused-address':
      return problem('address-refused', 'The address of the instance is not allowed.');
    case 'timeout':
      return problem('instance-timeout', 'The instance did not answer in time.');
    case 'unreachable':
    case 'reset':
    case 'aborted':
      return problem('instance-unreachable', 'The connection to the instance failed.');
  }
}

function problemOfInstance(failure: JamfFailure): Problem {
  switch (failure.failure) {
    case 'refused-address':
      return problem('address-refused', 'The address of the instance is not allowed.');
    case 'timeout':
      return problem('instance-timeout', 'The instance did not answer in time.');
    case 'unreachable':
      return problem('instance-unreachable', 'The connection to the instance failed.');
    case 'unauthenticated':
    case 'forbidden':
      return problem(
        'instance-error',
        "The instance refuses Espalier's API client; its operator has to renew it.",
        {
          owner: 'configuration',
        },
      );
    case 'not-found':
    case 'overloaded':
    case 'invalid-answer':
    case 'error':
      return problem('instance-error', `The instance gave no valid answer (${failure.failure}).`);
  }
}

/** Jamf speaks JSON; anything else comes from something in front of it, whatever its status (contract section 11). */
const speaksJson = (headers: Headers): boolean =>
  /^application\/([\w.+-]+\+)?json\b/i.test(headers.get('content-type') ?? '');

/** An empty success says all it has to; an empty error says nothing that a caller could use. */
const isEmptySuccess = ({ headers, status }: OutboundResponse): boolean =>
  status === 204 || (status < 300 && headers.get('content-length') === '0');

/** Only the inventory has versions. */
const anyVersion = { ok: true, inventoryVersion: 1 } as const;

export function createForward({ send, authorizationOf, timeoutMs }: ForwardOptions) {
  const exchange = async (
    request: ForwardRequest,
    token: string,
    inventoryVersion: number,
  ): Promise<OutboundResult> => {
    const { instance } = request;
    const { method, path } = instanceRequest(request.call, request.jamfComputerId, inventoryVersion);
    return send({
      method,
      url: instance.url + path,
      headers: { ...requestHeaders(request.headers, request.requestId), authorization: `Bearer ${token}` },
      ...(method === 'POST' ? { body: '' } : {}),
      timeoutMs,
      addresses: 'checked',
      ...(instance.caCertificate === null ? {} : { caCertificate: instance.caCertificate }),
      ...(request.signal ? { signal: request.signal } : {}),
    });
  };

  /** One call; the token is taken anew once when the instance refuses it. */
  return async (request: ForwardRequest): Promise<ForwardResult> => {
    const { instance } = request;
    if (instance.paused || !instance.enabled) {
      return failed(
        problem('instance-paused', `Instance ${instance.name} is paused.`, { retryAfterSeconds: 60 }),
      );
    }
    const authorization = authorizationOf(instance);
    let refused: string | undefined;
    for (;;) {
      const token = await authorization.token(refused);
      if (!token.ok) return failed(problemOfInstance(token));
      const version = request.call === 'inventory' ? await authorization.inventoryVersion() : anyVersion;
      if (!version.ok) return failed(problemOfInstance(version));
      const response = await exchange(request, token.token, version.inventoryVersion);
      if (!response.ok) return failed(problemOfExchange(response));
      if (response.status === 401 && refused === undefined) {
        await response.discard();
        refused = token.token;
        continue;
      }
      if (response.status === 401 || response.status === 403) {
        await response.discard();
        return failed(
          problem('instance-error', "The instance refuses Espalier's API client: check its privileges.", {
            owner: 'configuration',
          }),
        );
      }
      if (!isEmptySuccess(response) && !speaksJson(response.headers)) {
        await response.discard();
        return failed(problem('instance-error', `The instance answered ${response.status} without JSON.`));
      }
      const headers = responseHeaders(response.headers, request.requestId);
      return { ok: true, answer: { status: response.status, headers, body: response.body } };
    }
  };
}

export type Forward = ReturnType<typeof createForward>;
