import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A little collector of OTLP/HTTP in JSON: it keeps what it takes, and decodes it. */

export interface SentSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: number;
  /** Spans that it is linked to, by their ids. */
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

export interface SentPoint {
  readonly service: string;
  /** Of the isolate or process that sent it. */
  readonly instance: unknown;
  readonly name: string;
  readonly description: string;
  readonly kind: 'sum' | 'histogram' | 'gauge';
  /** 1: delta, 2: cumulative; undefined of a gauge. */
  readonly temporality: number | undefined;
  readonly labels: Readonly<Record<string, unknown>>;
  readonly value: number;
  readonly counts: readonly number[];
  readonly bounds: readonly number[];
  readonly fromNano: bigint;
  readonly toNano: bigint;
}

export interface Collector {
  readonly url: string;
  /** What it does with the next messages. `hang`: no answer ever comes. */
  answer: 'take' | 'refuse' | 'hang';
  /** Messages that it has begun to get, whatever it does with them. */
  arrived(): number;
  /** Messages that hang now. */
  hanging(): number;
  /** Every message that it took, as it came, with its headers. */
  readonly taken: readonly { readonly path: string; readonly headers: string; readonly body: string }[];
  spans(service: string): readonly SentSpan[];
  points(service: string): readonly SentPoint[];
  close(): void;
}

/** A message, whose form its sender answers for. */
// biome-ignore lint/suspicious/noExplicitAny: the test says what it expects of it
type Json = Readonly<Record<string, any>>;

const attributesOf = (given: readonly Json[] = []): Record<string, unknown> =>
  Object.fromEntries(
    given.map(({ key, value }) => {
      const [[kind, plain] = ['', undefined]] = Object.entries(value as object);
      return [key, kind === 'intValue' ? Number(plain) : plain];
    }),
  );

const listed = (of: unknown): readonly Json[] => (of as readonly Json[] | undefined) ?? [];

function spansIn(message: Json): SentSpan[] {
  return listed(message.resourceSpans).flatMap(({ resource, scopeSpans }) => {
    const about = attributesOf(resource.attributes);
    return listed(scopeSpans).flatMap(({ spans }) =>
      listed(spans).map(({ attributes, kind, links, name, parentSpanId, spanId, status, traceId }) => ({
        ...{ name, kind, traceId, spanId, parentSpanId },
        service: String(about['service.name']),
        attributes: attributesOf(attributes),
        status: status?.code ?? 0,
        links: listed(links).map(({ spanId: of, traceId: trace }) => ({ traceId: trace, spanId: of })),
      })),
    );
  });
}

function pointsOf(metric: Json, about: Readonly<Record<string, unknown>>): SentPoint[] {
  const kind = (['sum', 'histogram', 'gauge'] as const).find((one) => metric[one] !== undefined);
  if (kind === undefined) throw new Error(`no known kind of metric: ${JSON.stringify(metric)}`);
  const { aggregationTemporality, dataPoints } = metric[kind];
  return listed(dataPoints).map((point) => ({
    ...{ kind, name: metric.name, description: metric.description },
    service: String(about['service.name']),
    instance: about['service.instance.id'],
    temporality: aggregationTemporality,
    labels: attributesOf(point.attributes),
    value: Number(kind === 'histogram' ? point.count : (point.asDouble ?? point.asInt)),
    counts: listed(point.bucketCounts).map(Number),
    bounds: listed(point.explicitBounds).map(Number),
    fromNano: BigInt(point.startTimeUnixNano ?? 0),
    toNano: BigInt(point.timeUnixNano),
  }));
}

const pointsIn = (message: Json): SentPoint[] =>
  listed(message.resourceMetrics).flatMap(({ resource, scopeMetrics }) => {
    const about = attributesOf(resource.attributes);
    return listed(scopeMetrics).flatMap(({ metrics }) =>
      listed(metrics).flatMap((metric) => pointsOf(metric, about)),
    );
  });

export async function startCollector(): Promise<Collector> {
  const taken: { path: string; headers: string; body: string; json: Json }[] = [];
  const open = new Set<ServerResponse>();
  let arrived = 0;
  const server: Server = createServer(async (request, response) => {
    arrived += 1;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (collector.answer === 'hang') {
      open.add(response);
      response.on('close', () => open.delete(response));
      return;
    }
    if (collector.answer === 'refuse') return void response.writeHead(503).end();
    const body = Buffer.concat(chunks).toString('utf8');
    const headers = JSON.stringify(request.headers);
    taken.push({ path: request.url ?? '', headers, body, json: JSON.parse(body) as Json });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const at = (path: string) => taken.filter((one) => one.path === path).map(({ json }) => json);
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer: 'take',
    arrived: () => arrived,
    hanging: () => open.size,
    taken,
    spans: (service) =>
      at('/v1/traces')
        .flatMap(spansIn)
        .filter((span) => span.service === service),
    points: (service) =>
      at('/v1/metrics')
        .flatMap(pointsIn)
        .filter((point) => point.service === service),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return collector;
}
