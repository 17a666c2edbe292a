import { isWrite, streamsItsBody } from '../writes.ts';

/**
 * Adds the parameters that all operations share to the OpenAPI document once: `Idempotency-Key` of every write,
 * `If-Match` where 412 can be answered, `If-None-Match` where JSON is read.
 */

interface Operation {
  description?: string;
  parameters?: unknown[];
  responses?: Record<string, unknown>;
}

export interface ApiDocument {
  paths?: Record<string, unknown>;
  components?: object;
}

const parameters = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'Makes a repetition safe: for 24 hours the same request of the same operator with this key is answered as the ' +
      'first one was, with the header `idempotent-replayed: true`, and nothing is done again. While the first is in ' +
      'work 409; with another method, target or body 422. Answers 5xx and 429 are not kept.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
    example: '6f1c9a52-2f0b-4c7e-9a55-0d7c2b7f3a10',
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: false,
    description:
      'The ETag that was read. 412 when the object has another version meanwhile; only the version before the dash is compared.',
    schema: { type: 'string' },
    example: '"7"',
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    required: false,
    description: 'ETags that are known; 304 without a body when the answer has one of them.',
    schema: { type: 'string' },
    example: '"7-Zk3v0q2Y8pLr1sTf"',
  },
} as const;

const parameter = (name: keyof typeof parameters) => ({ $ref: `#/components/parameters/${name}` });

const problemAnswer = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
});

const noIdempotencyKey =
  'Idempotency-Key is refused here with 400: the body is streamed and never held, so two of them cannot be compared. ' +
  'The same body again changes nothing.';

const readsJson = ({ responses = {} }: Operation): boolean => {
  const answer = responses['200'] as { content?: Record<string, unknown> } | undefined;
  return answer?.content?.['application/json'] !== undefined;
};

function completed(method: string, path: string, operation: Operation): Operation {
  const responses = { ...operation.responses };
  const more: unknown[] = [];
  const described = { ...operation };
  if (streamsItsBody(method, path)) {
    described.description = [operation.description, noIdempotencyKey].filter(Boolean).join('\n\n');
  } else if (isWrite(method)) {
    more.push(parameter('IdempotencyKey'));
    responses['409'] ??= problemAnswer(
      'conflict: the first request with this Idempotency-Key is still in work',
    );
    responses['422'] ??= problemAnswer('idempotency-mismatch');
  }
  if (isWrite(method) && responses['412'] !== undefined) more.push(parameter('IfMatch'));
  if (method === 'get' && readsJson(operation)) {
    more.push(parameter('IfNoneMatch'));
    responses['304'] ??= { description: 'If-None-Match names the ETag of the answer' };
  }
  return { ...described, parameters: [...(operation.parameters ?? []), ...more], responses };
}

/** The document with them; `paths` hold operations by method, and members of their own that stay as they are. */
export function withCommonParameters<Document extends ApiDocument>(document: Document): Document {
  const paths = Object.entries(document.paths ?? {}).map(([path, item]) => {
    const members = Object.entries(item as object).map(([member, value]) => {
      const operation = member === 'get' || isWrite(member);
      return [member, operation ? completed(member, path, value as Operation) : value] as const;
    });
    return [path, Object.fromEntries(members)] as const;
  });
  const components = { ...document.components, parameters };
  return { ...document, paths: Object.fromEntries(paths), components };
}
