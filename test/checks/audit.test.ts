import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { audit, judge } from '../../.ci/audit.ts';

/** npm itself asks a registry that answers what a test says, about a package with one dependency. */
describe('the audit of dependencies', () => {
  let dir: string;
  let registry: Server | undefined;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'audit-'));
    const root = { name: 'shipped', version: '1.0.0', dependencies: { leaky: '1.0.0' } };
    const leaky = { version: '1.0.0', resolved: 'https://registry.example.test/leaky/-/leaky-1.0.0.tgz' };
    writeFileSync(join(dir, 'package.json'), JSON.stringify(root));
    writeFileSync(
      join(dir, 'package-lock.json'),
      JSON.stringify({ ...root, lockfileVersion: 3, packages: { '': root, 'node_modules/leaky': leaky } }),
    );
  });
  afterEach(async () => {
    registry?.closeAllConnections();
    await new Promise((done) => (registry ? registry.close(done) : done(undefined)));
    registry = undefined;
    rmSync(dir, { recursive: true, force: true });
  });

  const ask = async (answer: RequestListener, timeoutMs = 30_000) => {
    registry = createServer(answer);
    await new Promise<void>((done) => registry?.listen(0, '127.0.0.1', done));
    const { port } = registry.address() as AddressInfo;
    const env = {
      ...process.env,
      npm_config_registry: `http://127.0.0.1:${port}`,
      npm_config_cache: join(dir, 'cache'),
    };
    const found = judge(await audit(dir, { env, timeoutMs }));
    expect(found.lines.join('\n')).not.toMatch(/127\.0\.0\.1|example\.test/);
    return found;
  };
  const advisory = (severity: string): RequestListener => {
    const leaky = { name: 'leaky', version: '1.0.0', dist: { tarball: '' } };
    return (request, response) => {
      const body = request.url?.endsWith('/advisories/bulk')
        ? {
            leaky: [{ id: 1, url: 'u', title: 'It leaks', severity, vulnerable_versions: '<2.0.0', cwe: [] }],
          }
        : { name: 'leaky', 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': leaky } };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    };
  };

  test.each(['high', 'critical'])('a vulnerability that is %s fails', async (severity) => {
    expect(await ask(advisory(severity))).toEqual({
      passed: false,
      lines: [`${severity}: leaky: It leaks`, expect.stringContaining('high or critical')],
    });
  });
  test('one that is less is told', async () => {
    expect(await ask(advisory('moderate'))).toEqual({
      passed: true,
      lines: ['moderate: leaky: It leaks', 'Dependencies were audited: nothing high or critical.'],
    });
  });
  test('none is told too', async () => {
    const found = await ask((_, response) =>
      response.setHeader('content-type', 'application/json').end('{}'),
    );
    expect(found).toEqual({
      passed: true,
      lines: ['Dependencies were audited: no known vulnerability.'],
    });
  });
  test.each([405, 404, 503])('a registry that answers %i has no advisories', async (status) => {
    const found = await ask((_, response) => response.writeHead(status).end());
    expect(found.passed).toBe(true);
    expect(found.lines[0]).toContain(`no registry with advisories answered (it answered ${status})`);
  });
  test('a registry that answers something else has none either', async () => {
    const found = await ask((_, response) => response.end('<html>'));
    expect(found).toEqual({
      passed: true,
      lines: [expect.stringContaining('no registry with advisories answered')],
    });
  });
  test('one that never answers is not waited for', async () => {
    const found = await ask(() => undefined, 3_000);
    expect(found.lines).toEqual([
      'Dependencies were not audited: no registry with advisories answered (it did not answer within 3 s).',
    ]);
    expect(found.passed).toBe(true);
  });
});
