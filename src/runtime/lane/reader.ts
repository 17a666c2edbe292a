import { guidCharacters, readGuid, readLowerGuidBytes } from '../../routing/guid-words.ts';
import { routeKey } from '../../routing/route-table.ts';
import { deviceStart, type ReadRequest, readUnprovedRequest } from './request.ts';

/**
 * Reads the requests of one connection, each as `readUnprovedRequest` reads it alone. A caller sends the same with each
 * of its requests, but for the device: where every other byte is what it was in the request before, nothing but the
 * device is read again. The digest of a token is known as long as the token is the same to the letter.
 */
export interface LaneReader {
  /** Keeps nothing of `bytes` itself. The request is good until the next one is read. */
  read(bytes: Buffer): LaneRequest | undefined;
  /** The bytes of the request that was read last. */
  last(): Buffer;
  /** Keeps nothing of the last request any more: its token is one that can be used. False: nothing was kept. */
  forget(): boolean;
}

/** A request, and what is known of it from the one before. */
export interface LaneRequest extends ReadRequest {
  /** Undefined where tokens are not kept. */
  readonly tokenHash: string | undefined;
  /** Set on a request that differs from the one before on its connection in the device and in nothing else. */
  readonly repeats: RepeatedParts | undefined;
}

export interface RepeatedParts {
  /** The same object as long as the headers are the same. */
  readonly headers: object;
  /** The two ids in words, until the next request of the connection is read. */
  readonly key: Int32Array;
}

/** A writable view of a request for its reader, the one place where it changes. */
type Changing = { -readonly [Name in keyof LaneRequest]: LaneRequest[Name] };

const nothing: Buffer<ArrayBufferLike> = Buffer.alloc(0);

export function createLaneReader(hashToken: ((token: string) => string) | undefined): LaneReader {
  let kept = nothing;
  let keptLength = 0;
  let request: Changing | undefined;
  let deviceAt = 0;
  const key = routeKey();
  /** The same object as long as the headers are the same. */
  let repeats: LaneRequest['repeats'];

  const keep = (bytes: Buffer): void => {
    if (kept.length < bytes.length) {
      kept.fill(0);
      kept = Buffer.allocUnsafeSlow(bytes.length);
    }
    keptLength = bytes.copy(kept);
  };
  const readAgain = (bytes: Buffer): LaneRequest | undefined => {
    const deviceEnd = deviceAt + guidCharacters;
    if (request === undefined || bytes.length !== keptLength) return undefined;
    if (bytes.compare(kept, deviceEnd, keptLength, deviceEnd, keptLength) !== 0) return undefined;
    if (bytes.compare(kept, 0, deviceAt, 0, deviceAt) !== 0) return undefined;
    if (!readLowerGuidBytes(bytes, deviceAt, key, 4)) return undefined;
    if (repeats === undefined) {
      if (!readGuid(request.tenantId, key, 0)) return undefined;
      repeats = { headers: {}, key };
      request.repeats = repeats;
    }
    request.deviceId = bytes.toString('latin1', deviceAt, deviceEnd);
    bytes.copy(kept, deviceAt, deviceAt, deviceEnd);
    return request;
  };
  const forget = (): boolean => {
    if (keptLength === 0) return false;
    kept.fill(0);
    // A connection that rests may do so for a minute, and there are thousands.
    kept = nothing;
    keptLength = 0;
    request = undefined;
    repeats = undefined;
    return true;
  };

  return {
    read: (bytes) => {
      const again = readAgain(bytes);
      if (again !== undefined) return again;
      const before = request;
      repeats = undefined;
      request = undefined;
      const read = readUnprovedRequest(bytes);
      if (read === undefined) return undefined;
      const tokenHash = read.token === before?.token ? before.tokenHash : hashToken?.(read.token);
      request = { ...read, tokenHash, repeats: undefined };
      deviceAt = deviceStart(request.method);
      keep(bytes);
      return request;
    },
    last: () => Buffer.from(kept.subarray(0, keptLength)),
    forget,
  };
}
