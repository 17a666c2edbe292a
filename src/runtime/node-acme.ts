/**
 * Certificates by ACME in one process: it takes part in renewing them, and learns from the database what is issued and which
 * challenges are open, whichever process did it.
 */

import { createHttpAnswers } from '../acme/http-answers.ts';
import {
  acmeLearnEveryMs,
  acmePollMs,
  acmeRetryFactor,
  acmeRetryMaxSeconds,
  acmeTimeoutMs,
} from '../limits.ts';
import type { Send } from '../outbound/port.ts';
import type { Sealer } from '../secrets/seal.ts';
import {
  certificateKeyAssociation,
  type IssuedName,
  readChallenges,
  readIssued,
  readIssuedStamp,
} from '../store/acme.ts';
import type { Sql } from '../store/database.ts';
import type { Log } from '../telemetry/log.ts';
import type { AcmeConfig, Config } from './config.ts';
import { whenStoreAnswers } from './delivery.ts';
import type { AcmeListener } from './node-acme-listener.ts';
import { type Certificate, type MemoryCertificates, readCertificate } from './node-certificate-source.ts';
import { every } from './works.ts';

export interface AcmeParts {
  readonly acme: AcmeConfig;
  readonly sql: Sql;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly send: Send;
  readonly retryBaseSeconds: Config['retryBaseSeconds'];
  readonly signal: AbortSignal;
}

/** What a process with listeners presents and answers; one that only delivers has none of it. */
export interface AcmeFront {
  readonly certificates: MemoryCertificates;
  readonly listener: AcmeListener | undefined;
}

/** Of several authorities the one that is set counts, unless its certificate has ended and another's has not. */
function preferred(rows: readonly IssuedName[], directory: string): IssuedName | undefined {
  const rank = (row: IssuedName): number => (row.isOver ? 0 : 2) + (row.directory === directory ? 1 : 0);
  return rows.toSorted((a, b) => rank(b) - rank(a) || b.notAfter.getTime() - a.notAfter.getTime())[0];
}

/** Opens a row's key, once for each certificate; undefined where it does not open. */
function createOpener({ log, sealer }: AcmeParts) {
  let opened = new Map<string, Certificate | undefined>();
  const open = async (row: IssuedName): Promise<Certificate | undefined> => {
    try {
      const key = await sealer.open(row.keySealed, certificateKeyAssociation(row));
      return readCertificate({ cert: row.chain, key }, `acme ${row.name}`);
    } catch (error) {
      log.error('acme.certificate-unusable', { name: row.name, error });
      return undefined;
    }
  };
  return async (rows: readonly IssuedName[]): Promise<Certificate[]> => {
    const next = new Map<string, Certificate | undefined>();
    for (const row of rows) {
      const id = `${row.directory} ${row.name} ${row.issuedAt.getTime()}`;
      next.set(id, opened.has(id) ? opened.get(id) : await open(row));
    }
    opened = next;
    return [...next.values()].filter((certificate) => certificate !== undefined);
  };
}

/** Certificates as the snapshot holds them; the keys are as the database has them, sealed. */
export interface KnownCertificates {
  known(): readonly IssuedName[];
  /** Changes with what is known. */
  revision(): number;
  restore(rows: readonly IssuedName[]): void;
}

/** Presents rows; each name has one certificate, in the order of the setting. */
function createPresenter(parts: AcmeParts, { certificates }: AcmeFront) {
  const { directory, names } = parts.acme;
  const open = createOpener(parts);
  let known: readonly IssuedName[] = [];
  let revision = 0;
  return {
    present: async (rows: readonly IssuedName[]): Promise<void> => {
      const chosen = names.flatMap(
        (name) =>
          preferred(
            rows.filter((row) => row.name === name),
            directory,
          ) ?? [],
      );
      certificates.put(await open(chosen));
      known = chosen;
      revision += 1;
    },
    known: () => known,
    revision: () => revision,
  };
}
type Presenter = ReturnType<typeof createPresenter>;

/** Looks whether another process got a certificate or opened a challenge. */
function createLearning(parts: AcmeParts, { certificates }: AcmeFront, { present }: Presenter) {
  const { acme, log, sql } = parts;
  let stamp: string | undefined;
  let tokens: ReadonlyMap<string, string> = new Map();
  const learnChallenges = async (): Promise<void> => {
    const { makeChallengePair } = await import('../acme/alpn.ts');
    const open = new Map<string, string>();
    for (const { keyAuthorization, name, token } of await readChallenges(sql, 'tls-alpn-01')) {
      if (tokens.get(name) !== token)
        certificates.putChallenge(name, await makeChallengePair(name, keyAuthorization));
      open.set(name, token);
    }
    for (const name of tokens.keys()) if (!open.has(name)) certificates.putChallenge(name, undefined);
    tokens = open;
  };
  return async (): Promise<void> => {
    const now = await readIssuedStamp(sql, acme.names);
    if (now !== stamp) {
      const rows = await readIssued(sql, acme.names);
      await present(rows);
      if (rows.length > 0) log.info('acme.presented', { names: [...new Set(rows.map(({ name }) => name))] });
      stamp = now;
    }
    if (acme.challenge === 'tls-alpn-01') await learnChallenges();
  };
}

/** Loaded here, because the library is large and most deployments bring their own certificates. */
async function createRenewalOf(parts: AcmeParts): Promise<() => Promise<void>> {
  const { acme, log, retryBaseSeconds, sealer, send, signal, sql } = parts;
  const { createRenewal } = await import('../acme/renew.ts');
  const { openCa } = await import('../acme/ca.ts');
  const { challenge: kind, directory, email, names } = acme;
  return createRenewal({
    ...{ sql, sealer, log, signal, directory, names, email, kind },
    ca: openCa({ send, directory, signal, timeoutMs: acmeTimeoutMs }),
    backoff: { baseSeconds: retryBaseSeconds * acmeRetryFactor, maxSeconds: acmeRetryMaxSeconds },
  });
}

export interface NodeAcme extends KnownCertificates {
  /** With the database there: takes part in renewing, and resolves when what is issued is presented. */
  start(): Promise<void>;
  /** Resolves when what was restored is presented. */
  restored(): Promise<void>;
  stop(): Promise<void>;
}

export function createNodeAcme(parts: AcmeParts, front: AcmeFront | undefined): NodeAcme {
  const { log, signal, sql } = parts;
  const presenter = front && createPresenter(parts, front);
  const stops: (() => Promise<void>)[] = [];
  let restoring = Promise.resolve();
  return {
    start: async () => {
      stops.push(every(log, acmePollMs, 'acme.renewal', await createRenewalOf(parts)));
      if (front === undefined || presenter === undefined) return;
      front.listener?.serve(createHttpAnswers(sql, log));
      const learn = createLearning(parts, front, presenter);
      await whenStoreAnswers(log, signal, learn);
      stops.push(every(log, acmeLearnEveryMs, 'acme.learning', learn));
    },
    restore: (rows) => {
      restoring = presenter?.present(rows) ?? restoring;
    },
    restored: () => restoring,
    known: () => presenter?.known() ?? [],
    revision: () => presenter?.revision() ?? 0,
    stop: async () => {
      await Promise.all(stops.map((stop) => stop()));
    },
  };
}
