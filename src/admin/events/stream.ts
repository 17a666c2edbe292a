import { monotonicMs } from '../../clock.ts';
import { eventsKeepAliveMs } from '../../limits.ts';
import { maySee } from '../access.ts';
import type { Operator } from '../context.ts';
import type { Changed, EventHub, EventStream } from './hub.ts';

/** One stream of server-sent events (HTML, section 9.2). It ends with the credential that opened it. */

export interface StreamOptions {
  readonly hub: EventHub;
  readonly operator: Operator;
  /** Identifies the credential's owner now; rejects when it opens nothing any more. Asked every second. */
  readonly identify: () => Promise<Operator>;
  /** It ends after that, or with the credential. */
  readonly lastsMs: number;
  readonly onEnd: () => void;
}

const encoder = new TextEncoder();
const textOf = (changes: readonly Changed[]): string =>
  `event: changed\ndata: ${JSON.stringify({ changes })}\n\n`;

const tenantsOf = ({ tenantIds }: Operator): string | undefined => tenantIds?.toSorted().join(' ');

export function openStream({ hub, identify, lastsMs, onEnd, operator }: StreamOptions): ReadableStream {
  const beganMs = monotonicMs();
  let allowed = operator;
  let saidMs = beganMs;
  let missed: readonly Changed[] = [];
  let asking = false;
  let over = false;
  let stream: EventStream;
  const leave = (): void => {
    if (over) return;
    over = true;
    hub.remove(stream);
    onEnd();
  };
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      const end = (): void => {
        if (over) return;
        leave();
        controller.close();
      };
      const say = (text: string): void => {
        saidMs = monotonicMs();
        controller.enqueue(encoder.encode(text));
      };
      const tell = (changes: readonly Changed[]): void => {
        const theirs = changes.filter(({ tenantId }) => tenantId === null || maySee(allowed, tenantId));
        // A reader that fell behind gets one event in the end, which says that anything may have changed.
        if ((controller.desiredSize ?? 0) <= 0) {
          if (theirs.length > 0) missed = [{ kind: 'all', tenantId: null }];
        } else if (missed.length + theirs.length > 0) {
          say(textOf(missed.length > 0 ? missed : theirs));
          missed = [];
        } else if (monotonicMs() - saidMs >= eventsKeepAliveMs) say(': still here\n\n');
      };
      /** Changes are sent only while the credential is still valid. */
      const turn = async (changes: readonly Changed[]): Promise<void> => {
        if (monotonicMs() - beganMs >= lastsMs) return end();
        // The last question is not answered yet: what came meanwhile is not lost.
        if (asking) {
          if (changes.length > 0) missed = [{ kind: 'all', tenantId: null }];
          return;
        }
        asking = true;
        try {
          const now = await identify();
          // What its reader sees may not be his any more, or not all that is.
          if (tenantsOf(now) !== tenantsOf(allowed)) missed = [{ kind: 'all', tenantId: null }];
          allowed = now;
          if (!over) tell(changes);
        } catch {
          end();
        } finally {
          asking = false;
        }
      };
      stream = { end, turn: (changes) => void turn(changes) };
      hub.add(stream);
      say('retry: 3000\n: welcome\n\n');
    },
    cancel: leave,
  });
}
