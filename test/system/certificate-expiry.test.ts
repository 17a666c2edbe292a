import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../../src/simulator/authority.ts';
import { issuePair } from '../harness/certificates.ts';
import { eventually } from '../harness/eventually.ts';
import { type Scene, startScene } from '../harness/gateway.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** A certificate that ends is seen in time, wherever a person looks (docs/tls.md). */
describe('a certificate of the listeners that ends soon', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-ends-'));
  const directory = join(dir, 'certificates');
  const [soon, late, broken] = ['soon', 'late', 'broken'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const clientCa = join(dir, 'clients.crt');
  let scene: Scene;

  const put = async (folder: string, names: readonly string[], days: number): Promise<void> => {
    const notAfter = new Date(Date.now() + days * 86_400_000);
    const pair = await issuePair(await createAuthority(), names, { notBefore: new Date(0), notAfter });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'privkey.pem'), pair.key, { mode: 0o600 });
    writeFileSync(join(folder, 'fullchain.pem'), pair.cert);
  };
  beforeAll(async () => {
    await put(soon, ['soon.test'], 10);
    await put(late, ['late.test'], 300);
    const authority = await createAuthority();
    const notAfter = new Date(Date.now() + 20 * 86_400_000);
    writeFileSync(
      clientCa,
      (await authority.issue(['clients'], { notBefore: new Date(0), notAfter })).certificatePem,
    );
    // The first start makes the pair that the scene trusts; the directory comes with the next one.
    scene = await startScene();
    await scene.gateway.stop();
    await scene.start({
      ESPALIER_TLS_CERT_FILE: join(scene.environment.ESPALIER_DATA_DIR!, 'tls.crt'),
      ESPALIER_TLS_KEY_FILE: join(scene.environment.ESPALIER_DATA_DIR!, 'tls.key'),
      ESPALIER_TLS_CERT_DIR: directory,
      ESPALIER_CLIENT_CA_FILE: clientCa,
    });
  });
  afterAll(async () => {
    await scene?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const expiry = async (): Promise<Record<string, number>> => {
    const text = await (await fetch(`${scene.gateway.ops}/metrics`)).text();
    const lines = text.matchAll(/^espalier_credential_expiry_seconds\{(.*)\} (\S+)/gm);
    return Object.fromEntries(
      [...lines].map(([, labels = '', seconds]) => [
        `${/kind="([^"]*)"/.exec(labels)?.[1]} ${/(?:certificate|application)="([^"]*)"/.exec(labels)?.[1]}`,
        Math.round(Number(seconds) / 86_400),
      ]),
    );
  };
  const needs = async (): Promise<
    readonly { cause: string; detail: string; owner: string; remedy: string }[]
  > =>
    (await scene.api('GET', '/overview')).json.attention.results.filter(
      ({ kind }: { kind: string }) => kind === 'credential-expiring',
    );

  it('is in the metrics, beside those of applications and the clients’ authority', async () => {
    const found = await expiry();
    expect(found[`listener ${soon}`]).toBe(10);
    expect(found[`listener ${late}`]).toBe(300);
    expect(found['client-authority ESPALIER_CLIENT_CA_FILE']).toBe(20);
    expect(Object.keys(found).some((name) => name.startsWith('application connector'))).toBe(true);
  });

  it('is in the overview with owner, cause and remedy, until it is renewed', async () => {
    const found = (await needs()).map(({ cause, detail, owner, remedy }) => ({
      cause,
      detail,
      owner,
      remedy,
    }));
    expect(found).toContainEqual({
      cause: 'listener-certificate',
      detail: expect.stringContaining(soon),
      owner: 'configuration',
      remedy: expect.stringContaining('without a restart'),
    });
    expect(found).toContainEqual(expect.objectContaining({ cause: 'client-authority' }));
    expect(JSON.stringify(found)).not.toContain(late);
    await put(soon, ['soon.test'], 200);
    await eventually(async () => expect(JSON.stringify(await needs())).not.toContain(soon));
    expect((await expiry())[`listener ${soon}`]).toBe(200);
  });

  it('is in doctor, as is a folder whose pair cannot be read', async () => {
    await put(soon, ['soon.test'], 10);
    mkdirSync(broken);
    writeFileSync(join(broken, 'fullchain.pem'), 'nothing');
    const { stdout } = await runCommand(['doctor', '-o', 'json', '--timeout', '5'], {
      environment: scene.environment,
    });
    const lines = (
      JSON.parse(stdout).lines as { check: string; subject: string; status: string; remedy?: string }[]
    )
      .filter(({ check }) => check === 'listener')
      .map(({ status, subject }) => [subject, status]);
    expect(lines).toEqual(
      expect.arrayContaining([
        [soon, 'warn'],
        [late, 'ok'],
        [broken, 'fail'],
        ["authority of the instances' client certificates", 'warn'],
      ]),
    );
    rmSync(broken, { recursive: true });
  });
});
