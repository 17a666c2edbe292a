import { firstLine } from '../telemetry/one-line.ts';
import { parseBoundedJson } from '../untrusted/bounded-json.ts';
import {
  clockWrongKind,
  graphMissingKind,
  oauthErrorKinds,
  resourceMissingKind,
  type TokenErrorKind,
  throttledKind,
  tokenErrorKinds,
  unavailableKind,
} from './error-kinds.ts';

/** Descriptions are shown and logged: AADSTS texts are shorter. */
const longestDescriptionCharacters = 400;

/** Reason why no token was given. Holds no token, secret or assertion. */
export interface TokenFailure extends TokenErrorKind {
  /** AADSTS number. */
  readonly code?: number;
  /** OAuth `error`. */
  readonly error?: string;
  /** First line of Entra's text. */
  readonly description?: string;
  readonly httpStatus?: number;
  /** Seconds until asking again makes sense. */
  readonly retryAfterSeconds?: number;
  /** The built-in cloud in which Entra says the tenant lives. */
  readonly suggestedCloud?: 'public' | 'usgov' | 'china';
  /** Entra's trace id, for Microsoft's support. */
  readonly traceId?: string;
  readonly correlationId?: string;
}

const wrongCloudCodes = new Set([90038, 900382, 900432]);

/** Anything that looks like a token: no answer should repeat one, but then none must be logged either. */
const tokenLike = /\beyJ[\w-]{8,}(?:\.[\w-]*){1,2}/g;

function safeLine(text: string): string {
  return firstLine(text).replaceAll(tokenLike, '[token]').slice(0, longestDescriptionCharacters);
}

/** The cloud named in the text of a redirect to another national cloud, e.g. "National Cloud 'MicrosoftOnline.US'". */
function cloudNamedIn(description: string): TokenFailure['suggestedCloud'] {
  const named = /national cloud\s+'([^']+)'/i.exec(description)?.[1] ?? description;
  if (/microsoftonline\.us\b|usgovcloudapi\.net\b/i.test(named)) return 'usgov';
  if (/microsoftonline\.cn\b|chinacloudapi\.cn\b/i.test(named)) return 'china';
  if (/microsoftonline\.com\b|login\.windows\.net\b|login\.microsoft\.com\b/i.test(named)) return 'public';
  return undefined;
}

interface ErrorBody {
  readonly error?: string;
  readonly description: string;
  readonly code?: number;
  readonly traceId?: string;
  readonly correlationId?: string;
}

function parseErrorBody(text: string): ErrorBody | undefined {
  try {
    const json: unknown = parseBoundedJson(text);
    if (typeof json !== 'object' || json === null) return undefined;
    const body: Readonly<Record<string, unknown>> = { ...json };
    const string = (name: string): string | undefined =>
      typeof body[name] === 'string' && body[name] !== '' ? safeLine(body[name]) : undefined;
    const description = string('error_description') ?? '';
    const listed: unknown = Array.isArray(body.error_codes) ? body.error_codes[0] : undefined;
    const written = /AADSTS(\d{4,8})/.exec(description)?.[1];
    const code = Number(listed ?? written ?? Number.NaN);
    const error = string('error');
    const traceId = string('trace_id');
    const correlationId = string('correlation_id');
    return {
      description,
      ...(error === undefined ? {} : { error }),
      ...(Number.isSafeInteger(code) ? { code } : {}),
      ...(traceId === undefined ? {} : { traceId }),
      ...(correlationId === undefined ? {} : { correlationId }),
    };
  } catch {
    // Plain text with a 429, HTML with a 5xx (domain/microsoft.md 1.9).
    return undefined;
  }
}

const unexpected: TokenErrorKind = {
  scope: 'transient',
  cause: 'unexpected-answer',
  action: 'back-off',
  owner: 'microsoft',
  remedy: 'Entra’s answer could not be read: check what stands between Espalier and the authority.',
};

function kindOf(httpStatus: number, body: ErrorBody | undefined): TokenErrorKind {
  const byCode = body?.code === undefined ? undefined : tokenErrorKinds.get(body.code);
  if (byCode !== undefined) return byCode;
  // Before `error`: 429 and 5xx bodies carry whatever `error` was at hand.
  if (httpStatus === 429) return throttledKind;
  if (httpStatus >= 500 || httpStatus === 408) return unavailableKind;
  return (body?.error === undefined ? undefined : oauthErrorKinds.get(body.error)) ?? unexpected;
}

/** Microsoft Graph's own application id, which Entra's texts may give instead of its address. */
const graphApplicationId = '00000003-0000-0000-c000-000000000000';

/** The resource that Entra names as missing, else the one that was asked for. */
function missingResource(description: string, scope: string | undefined): string | undefined {
  const named = /resource principal named ['"]?([^\s'"]{1,200})/i.exec(description)?.[1];
  return named ?? scope?.replace(/\/\.default$/, '');
}

/** Refines the kind by the description: which resource is missing, or that the assertion's times are the fault. */
function refined(
  kind: TokenErrorKind,
  description: string,
  asked: AskedResource | undefined,
): TokenErrorKind {
  if (kind.cause === 'assertion-invalid' && /time range|not yet valid|expired/i.test(description)) {
    return clockWrongKind;
  }
  if (kind !== resourceMissingKind) return kind;
  const resource = missingResource(description, asked?.scope);
  if (resource === undefined) return kind;
  const isGraph =
    asked?.isGraph === true ||
    resource.startsWith(graphApplicationId) ||
    /^https:\/\/[\w-]*graph\./i.test(resource);
  const { remedy, ...rest } = isGraph ? graphMissingKind : kind;
  return { ...rest, remedy: `${remedy} The resource is ${resource}.` };
}

/** The resource for which a token was asked. */
export interface AskedResource {
  readonly scope: string;
  readonly isGraph: boolean;
}

/**
 * Says what a refusal of the token endpoint means: by AADSTS code, else by HTTP status and OAuth `error`
 * (domain/microsoft.md 1.7 to 1.9). Takes any body, JSON or not.
 */
export function classifyTokenError(
  httpStatus: number,
  bodyText: string,
  asked?: AskedResource,
): TokenFailure {
  const body = parseErrorBody(bodyText);
  const { description = '', ...rest } = body ?? {};
  const meaning = refined(kindOf(httpStatus, body), description, asked);
  const wrongCloud = body?.code !== undefined && wrongCloudCodes.has(body.code);
  const suggestedCloud = wrongCloud ? cloudNamedIn(description) : undefined;
  return {
    ...meaning,
    ...rest,
    httpStatus,
    ...(description === '' ? {} : { description }),
    ...(suggestedCloud === undefined
      ? {}
      : {
          suggestedCloud,
          remedy: `The tenant lives in another national cloud: set its cloud to ${suggestedCloud}.`,
        }),
  };
}
