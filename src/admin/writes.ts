/** Lists the methods that write, for what all writes share. */

const writes: readonly string[] = ['POST', 'PUT', 'PATCH', 'DELETE'];

export const isWrite = (method: string): boolean => writes.includes(method.toUpperCase());

/** Nobody reads the body of any other method, so nothing bounds it. */
export const hasReadBody = (method: string): boolean => isWrite(method) && method.toUpperCase() !== 'DELETE';

/** A body of up to millions of rows is taken as it comes and never held: it cannot be compared with another one. */
export const streamsItsBody = (method: string, path: string): boolean =>
  method.toUpperCase() === 'POST' && /^\/api\/v1\/tenants\/[^/]+\/(devices\/import|move-in)$/.test(path);
