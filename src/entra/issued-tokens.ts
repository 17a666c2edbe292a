/**
 * Second tries for tokens that a service refused with 401. Services refuse one or two in a hundred tokens that
 * Entra has just issued, and take them a second later (domain/microsoft.md 9 and 10, pain 20): such a token is tried once
 * more. Whoever calls Graph or Intune does so through `withSecondTry`, and sees a 401 only when that was in vain.
 */

import { createBoundedCache } from '../bounded-cache.ts';
import { createJoining, type Sharing } from '../joining.ts';
import type { OutboundResponse, OutboundResult, Send } from '../outbound/port.ts';

/** A younger token is tried again as it is; an older one is replaced. */
const youngTokenMs = 60_000;
const secondTryAfterMs = 1_000;
/** After a second refusal no token of the kind is given out for so long, three times longer with each, up to the most. */
const firstRestMs = 5_000;
const longestRestMs = 300_000;
/** One call finds out whether the service takes the token again; the others wait for it. */
const probeMs = 10_000;

export interface IssuedTokens {
  /** Remembers whose token this is; `renew` gives another one, or nothing where there is none to be had. */
  issued(
    accessToken: string,
    of: { readonly key: string; readonly renew: () => Promise<string | undefined> },
  ): void;
  /** Milliseconds for which no token of this kind is to be used; 0: now. The first to ask after them may try. */
  restMs(key: string): number;
  /** True where the token is too young to be given up for a refusal. */
  isYoung(accessToken: string): boolean;
  /** Sends again what is refused with 401, once. */
  withSecondTry(send: Send): Send;
}

export interface IssuedTokensOptions {
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
  readonly wait?: (ms: number) => Promise<void>;
  readonly tokens?: number;
  readonly sharing: Sharing;
}

interface Issued {
  readonly key: string;
  readonly atMs: number;
  readonly renew: () => Promise<string | undefined>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Rests of a tenant's resource whose tokens are refused again and again. */
function createRests(now: () => number, entries: number) {
  const rests = createBoundedCache<string, { readonly refusals: number; readonly untilMs: number }>(entries);
  return {
    refused: (key: string): void => {
      const known = rests.get(key);
      const refusals = (known?.refusals ?? 0) + 1;
      rests.set(key, {
        refusals,
        untilMs: now() + Math.min(firstRestMs * 3 ** (refusals - 1), longestRestMs),
      });
    },
    taken: (key: string): void => {
      if (rests.size > 0) rests.delete(key);
    },
    leftMs: (key: string): number => {
      const rest = rests.get(key);
      if (!rest) return 0;
      const left = rest.untilMs - now();
      if (left <= 0) rests.set(key, { ...rest, untilMs: now() + probeMs });
      return Math.max(0, left);
    },
  };
}

const bearerOf = (headers: Readonly<Record<string, string>> | undefined): string | undefined =>
  /^Bearer (.+)$/.exec(headers?.authorization ?? '')?.[1];

const isRefusal = (result: OutboundResult): result is OutboundResponse => result.ok && result.status === 401;

export function createIssuedTokens(options: IssuedTokensOptions): IssuedTokens {
  const { now = () => performance.now(), tokens = 25_000, wait = pause } = options;
  const known = createBoundedCache<string, Issued>(tokens);
  const rests = createRests(now, tokens);
  /** Trials by the refused token: the result is the token to go on with, or none. */
  const trials = createJoining<string | undefined>(options.sharing);
  const isYoung = (token: string): boolean => {
    const issued = known.peek(token);
    return issued !== undefined && now() - issued.atMs < youngTokenMs;
  };

  const nextToken = async (refused: string, { renew }: Issued): Promise<string | undefined> => {
    if (!isYoung(refused)) return renew();
    await wait(secondTryAfterMs);
    return refused;
  };

  /**
   * The first who is refused tries again, and says with what; without a token worth a try nobody else does. An error of that
   * try is the first one's alone: the others keep their refusal.
   */
  const secondTry = async (
    refused: string,
    issued: Issued,
    attempt: (token: string) => Promise<OutboundResult>,
  ): Promise<OutboundResult | undefined> => {
    let isFirst = false;
    let result: OutboundResult | undefined;
    let failed: { readonly error: unknown } | undefined;
    const trial = async (): Promise<string | undefined> => {
      const next = await nextToken(refused, issued);
      if (next === undefined) return undefined;
      result = await attempt(next);
      if (!isRefusal(result)) return next;
      rests.refused(issued.key);
      return undefined;
    };
    const token = await trials.once(refused, () => {
      isFirst = true;
      return trial().catch((error: unknown) => {
        failed = { error };
        return undefined;
      });
    });
    if (failed) throw failed.error;
    if (isFirst) return result;
    return token === undefined ? undefined : attempt(token);
  };

  return {
    issued: (accessToken, of) => {
      if (!known.has(accessToken)) known.set(accessToken, { ...of, atMs: now() });
    },
    restMs: rests.leftMs,
    isYoung,
    withSecondTry: (send) => async (request) => {
      const first = await send(request);
      const token = bearerOf(request.headers);
      const issued = token === undefined ? undefined : known.get(token);
      if (token === undefined || issued === undefined) return first;
      if (!isRefusal(first)) {
        if (first.ok) rests.taken(issued.key);
        return first;
      }
      const attempt = (other: string): Promise<OutboundResult> =>
        send({ ...request, headers: { ...request.headers, authorization: `Bearer ${other}` } });
      const second = await secondTry(token, issued, attempt).catch(async (error: unknown) => {
        await first.discard();
        throw error;
      });
      if (second === undefined) return first;
      await first.discard();
      if (!isRefusal(second) && second.ok) rests.taken(issued.key);
      return second;
    },
  };
}
