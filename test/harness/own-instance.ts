import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Scene } from './gateway.ts';

/** A request to an instance of a test's own. */
export interface Arrived {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** An instance that answers tokens as Jamf Pro does and everything else as a test says, over real TLS. */
export interface OwnInstance {
  readonly id: string;
  /** A device that it manages, as computer 4711. */
  readonly deviceId: string;
  readonly arrived: Arrived[];
  tokens(): number;
  open(): number;
  /** Called when the whole request is there, unless `early`. */
  answer: (request: Arrived, response: ServerResponse, incoming: IncomingMessage) => void;
  /** Answer before the body is there. */
  early: boolean;
  close(): Promise<void>;
}

export const sendJson = (response: ServerResponse, status: number, body: unknown, headers = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};

/** Starts it and makes it the instance of a device that no other manages. */
export async function startOwnInstance(scene: Scene, tenantId: string, name: string): Promise<OwnInstance> {
  const sockets = new Set<Socket>();
  const arrived: Arrived[] = [];
  let tokens = 0;
  const { certificatePem, keyPem } = await scene.world.authority.issue(['localhost']);
  const server = createServer({ cert: certificatePem, key: keyPem }, async (incoming, response) => {
    incoming.on('error', () => undefined);
    if (incoming.url?.endsWith('/oauth/token')) {
      incoming.resume();
      tokens += 1;
      sendJson(response, 200, { access_token: `token-${tokens}`, token_type: 'Bearer', expires_in: 1_200 });
      return;
    }
    const { headers, method = '', rawHeaders, url = '' } = incoming;
    const known = { method, url, headers, rawHeaders };
    if (instance.early) {
      const request = { ...known, body: Buffer.alloc(0) };
      arrived.push(request);
      instance.answer(request, response, incoming);
      return;
    }
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const request = { ...known, body: Buffer.concat(chunks) };
    arrived.push(request);
    instance.answer(request, response, incoming);
  });
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const made = await scene.api('POST', `/tenants/${tenantId}/instances`, {
    name,
    url: `https://localhost:${port}`,
    apiClient: { clientId: 'client', clientSecret: 'secret' },
  });
  if (made.status !== 201) throw new Error(`adding ${name}: ${made.text}`);
  const deviceId = crypto.randomUUID();
  await scene.database.sql`
    insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
    values (${tenantId}, ${deviceId}, ${made.json.id}, 4711, 'only-claim', 1)`;
  const instance: OwnInstance = {
    id: made.json.id,
    deviceId,
    arrived,
    tokens: () => tokens,
    open: () => sockets.size,
    early: false,
    answer: (_, response) => sendJson(response, 200, { ok: true }),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
  return instance;
}
