/**
 * Certificates that operators keep in files: one pair (`ESPALIER_TLS_CERT_FILE`, `ESPALIER_TLS_KEY_FILE`) and a directory
 * with a folder for each (`ESPALIER_TLS_CERT_DIR`). They are looked at each second; a pair that is broken or only half
 * written is logged, and the one before it goes on being presented.
 */

import { constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateFileBytes, certificateFolders, certificateLookMs } from '../limits.ts';
import type { Log } from '../telemetry/log.ts';
import {
  type Certificate,
  type CertificateKind,
  type CertificateProvider,
  PairFault,
  readCertificate,
} from './node-certificate-source.ts';
import { settings } from './settings.ts';
import { describeFileError, StartFault } from './start-fault.ts';

interface PairFiles {
  /** As a person is told of it: the folder, or the certificate's file. */
  readonly origin: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** It is presented to those who ask for one of its names, so it must have one. */
  readonly isByName: boolean;
}

async function readBounded(file: string): Promise<Buffer> {
  // Without waiting: a FIFO without a writer would otherwise never be opened.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await handle.stat()).isFile()) throw new Error('it is no regular file');
    const buffer = Buffer.alloc(certificateFileBytes + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    if (bytesRead > certificateFileBytes) throw new Error(`it is larger than ${certificateFileBytes} bytes`);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function readFileOf(part: 'cert' | 'key', file: string): Promise<Buffer> {
  try {
    return await readBounded(file);
  } catch (error) {
    throw new PairFault(part, describeFileError(error), { cause: error });
  }
}

/** Throws `PairFault`, which begins with the file. */
async function readPair({ certFile, isByName, keyFile, origin }: PairFiles): Promise<Certificate> {
  try {
    const cert = await readFileOf('cert', certFile);
    const certificate = readCertificate({ cert, key: await readFileOf('key', keyFile) }, origin);
    if (isByName && certificate.names.length === 0)
      throw new PairFault('cert', 'it names no host (no DNS name in its subjectAltName)');
    return certificate;
  } catch (error) {
    if (!(error instanceof PairFault)) throw error;
    const file = error.part === 'cert' ? certFile : keyFile;
    throw new PairFault(error.part, `${file}: ${error.message}`, { cause: error });
  }
}

/** Changes whenever one of the files does; a link that leads elsewhere counts too. */
async function stampOf({ certFile, keyFile }: PairFiles): Promise<string> {
  const stamps = await Promise.all(
    [certFile, keyFile].map(async (file) => {
      try {
        const { ctimeMs, ino, mtimeMs, size } = await stat(file);
        return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    }),
  );
  return stamps.join('; ');
}

interface Known {
  readonly stamp: string;
  /** Undefined: it was never good. */
  readonly certificate: Certificate | undefined;
}

/** Looks at the pairs that `list` names, again and again. */
class WatchedPairs implements CertificateProvider {
  readonly kind: CertificateKind;
  readonly #list: () => Promise<readonly PairFiles[]>;
  readonly #log: Log;
  #known: ReadonlyMap<string, Known>;
  #listener: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #listFailed: string | undefined;

  constructor(
    kind: CertificateKind,
    list: () => Promise<readonly PairFiles[]>,
    known: ReadonlyMap<string, Known>,
    log: Log,
  ) {
    this.kind = kind;
    this.#list = list;
    this.#known = known;
    this.#log = log;
    this.#schedule();
  }
  current(): readonly Certificate[] {
    return [...this.#known.values()].flatMap(({ certificate }) => certificate ?? []);
  }
  onChange(listener: () => void): void {
    this.#listener = listener;
  }
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#isClosed) return;
    // Thousands of looks a second would be felt; a folder more is seen a moment later instead.
    const delayMs = certificateLookMs * Math.max(1, this.#known.size / 100);
    this.#timer = setTimeout(() => {
      this.#look()
        .catch((error: unknown) => this.#log.error('tls.reload-failed', { error }))
        .finally(() => this.#schedule());
    }, delayMs).unref();
  }
  async #look(): Promise<void> {
    let pairs: readonly PairFiles[];
    try {
      pairs = await this.#list();
      this.#listFailed = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#listFailed) this.#log.error('tls.reload-failed', { error });
      this.#listFailed = message;
      return;
    }
    const next = new Map<string, Known>();
    let changed = false;
    for (const files of pairs) {
      const before = this.#known.get(files.origin);
      const now = await this.#lookAt(files, before);
      if (now.certificate !== before?.certificate) changed = true;
      next.set(files.origin, now);
    }
    for (const [origin, { certificate }] of this.#known) {
      if (next.has(origin)) continue;
      this.#log.info('tls.certificate-removed', { certificate: origin });
      changed ||= certificate !== undefined;
    }
    this.#known = next;
    if (changed && !this.#isClosed) this.#listener();
  }
  async #lookAt(files: PairFiles, before: Known | undefined): Promise<Known> {
    const stamp = await stampOf(files);
    if (stamp === before?.stamp) return before;
    try {
      const certificate = await readPair(files);
      this.#log.info('tls.reloaded', { certificate: files.origin, names: certificate.names });
      return { stamp, certificate };
    } catch (error) {
      this.#log.error('tls.reload-failed', { certificate: files.origin, error });
      return { stamp, certificate: before?.certificate };
    }
  }
}

/** The one pair. Throws `PairFault`. */
export async function certificateOfFiles(
  kind: CertificateKind,
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
  log: Log,
): Promise<CertificateProvider> {
  const files = { origin: certFile, certFile, keyFile, isByName: false };
  const stamp = await stampOf(files);
  const certificate = await readPair(files);
  return new WatchedPairs(kind, async () => [files], new Map([[certFile, { stamp, certificate }]]), log);
}

/** What a file system puts there by itself; Kubernetes keeps the generations of a mounted secret in hidden folders. */
const isOwn = (name: string): boolean => name.startsWith('.') || name === 'lost+found';

/** The folders of the directory, by name. Throws where there are too many, or the directory cannot be read. */
export async function foldersOf(directory: string): Promise<PairFiles[]> {
  const names = (await readdir(directory)).filter((name) => !isOwn(name)).sort();
  const folders: PairFiles[] = [];
  for (const name of names) {
    const origin = join(directory, name);
    const facts = await stat(origin).catch(() => undefined);
    if (facts?.isDirectory() !== true) continue;
    const files = { certFile: join(origin, 'fullchain.pem'), keyFile: join(origin, 'privkey.pem') };
    folders.push({ origin, ...files, isByName: true });
  }
  if (folders.length > certificateFolders)
    throw new Error(`it has ${folders.length} folders, and ${certificateFolders} at most are read`);
  return folders;
}

/** A folder for each certificate. Throws an `AggregateError` with a `StartFault` for each that cannot be used. */
export async function certificatesOfDirectory(directory: string, log: Log): Promise<CertificateProvider> {
  const { name } = settings.tlsCertDir;
  const fault = (problem: string, cause: unknown): StartFault => new StartFault(name, problem, { cause });
  const folders = await foldersOf(directory).catch((error: unknown) => {
    throw fault(`${directory}: ${describeFileError(error)}`, error);
  });
  const known = new Map<string, Known>();
  const faults: StartFault[] = [];
  for (const files of folders) {
    const stamp = await stampOf(files);
    try {
      known.set(files.origin, { stamp, certificate: await readPair(files) });
    } catch (error) {
      faults.push(fault((error as Error).message, error));
    }
  }
  if (faults.length > 0) throw new AggregateError(faults, `${name} holds pairs that cannot be used`);
  return new WatchedPairs('directory', () => foldersOf(directory), known, log);
}
