import type { ClientRequest } from 'node:http';
import { type Agent, request } from 'node:https';

/** The console's stream of events, as an open page follows it. */

export interface Followed {
  readonly agent: Agent;
  readonly origin: string;
  readonly cookie: string;
}

/** Resolves when the stream stands; `heard` is called with the kinds of each event, `ended` when it has ended. */
export function follow(
  { agent, cookie, origin }: Followed,
  heard: (kinds: readonly string[]) => void,
  ended: () => void = () => undefined,
) {
  return new Promise<ClientRequest>((resolve, reject) => {
    const headers = { cookie, accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' };
    const outgoing = request(`${origin}/api/v1/events`, { agent, headers }, (incoming) => {
      if (incoming.statusCode !== 200) return reject(new Error(`a stream answered ${incoming.statusCode}`));
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const events = text.split('\n\n');
        text = events.pop() ?? '';
        for (const event of events) {
          const data = /^event: changed\ndata: (.*)$/.exec(event)?.[1];
          if (data !== undefined)
            heard((JSON.parse(data) as { changes: { kind: string }[] }).changes.map(({ kind }) => kind));
        }
      });
      incoming.on('error', () => undefined);
      incoming.on('close', ended);
      resolve(outgoing);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
