import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../src/limits.ts';
import { startWorker } from './workerd.ts';

/** The unpacker of workerd knows no backpressure, and an isolate has 128 MB. */
describe('a gzip that is unpacked on Workers', () => {
  it('is at no time unpacked further than some MiB ahead of its reader', async () => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL('./unpacking-worker.ts', import.meta.url))],
      bundle: true,
      write: false,
      format: 'esm',
    });
    const PACKED = gzipSync(Buffer.alloc(60_000_000, 32)).toString('base64');
    const bundle = outputFiles[0]!.text;
    // As the admin Worker, which has no objects: a bundle alone.
    const worker = await startWorker({ bundle, bindings: { PACKED }, trust: '', which: 'admin' });
    try {
      const { text } = await worker.fetch('https://gateway.example.test/');
      const { ahead, size } = JSON.parse(text) as { ahead: number; size: number };
      expect(size).toBe(60_000_000);
      expect(ahead).toBeLessThan(5 * mebibyte);
    } finally {
      await worker.close();
    }
  }, 60_000);
});
