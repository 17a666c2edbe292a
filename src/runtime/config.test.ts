import { describe, expect, it } from 'vitest';
import { type ConfigFault, describeConfig, loadConfig } from './config.ts';
import { settings } from './settings.ts';

const noFiles = (path: string): string => {
  throw new Error(`no such file ${path}`);
};

const load = (environment: Record<string, string>, readFile: (path: string) => string = noFiles) =>
  loadConfig({ environment, readFile });

async function faultsOf(
  environment: Record<string, string>,
  readFile?: (path: string) => string,
): Promise<readonly ConfigFault[]> {
  const result = await load(environment, readFile);
  return result.ok ? [] : result.faults;
}

const id = '6fa30000-0000-4000-8000-000000000001';

describe('configuration', () => {
  it('needs nothing', async () => {
    const result = await load({});
    expect(result.ok).toBe(true);
    if (!result.ok) return;
    expect(result.config).toMatchObject({
      dataDir: '.espalier',
      publicUrl: 'https://localhost:8443',
      tls: 'on',
      pollSeconds: 900,
      checkInSeconds: 900,
    });
    expect(result.config.dataListen).toEqual({ host: '0.0.0.0', port: 8443 });
    expect([...result.config.clouds.keys()]).toEqual(['public', 'usgov', 'usgov-dod', 'china']);
    expect(result.config.connector('public')).toBeUndefined();
  });

  it('reports every fault in one go, each with its variable and an example', async () => {
    const faults = await faultsOf({
      DATABASE_URL: 'mysql://x',
      ESPALIER_DATA_LISTEN: 'nowhere',
      ESPALIER_PUBLIC_URL: 'http://x',
      ESPALIER_TLS: 'maybe',
      ESPALIER_POLL_SECONDS: '-1',
      ESPALIER_CHECK_IN_SECONDS: '15m',
      ESPALIER_SECRETS_KEY: 'c2hvcnQ=',
      ESPALIER_ENTRA_CLIENT_ID: 'me',
      ESPALIER_UPSTREAM_ALLOW: '10.0.0.0/8,///',
      ESPALIER_PARTNER_API_VERSIONS: '{"Nothing":"1"}',
      ESPALIER_CLOUDS_FILE: '/nowhere.json',
      ESPALIER_TLS_CERT_FILE: '/cert.pem',
    });
    expect(new Set(faults.map((fault) => fault.variable))).toEqual(
      new Set([
        'DATABASE_URL',
        'ESPALIER_DATA_LISTEN',
        'ESPALIER_PUBLIC_URL',
        'ESPALIER_TLS',
        'ESPALIER_POLL_SECONDS',
        'ESPALIER_CHECK_IN_SECONDS',
        'ESPALIER_SECRETS_KEY',
        'ESPALIER_ENTRA_CLIENT_ID',
        'ESPALIER_UPSTREAM_ALLOW',
        'ESPALIER_PARTNER_API_VERSIONS',
        'ESPALIER_CLOUDS_FILE',
        'ESPALIER_TLS_KEY_FILE',
      ]),
    );
    for (const fault of faults) expect(fault.example).not.toBe('');
  });

  it('takes certificates by ACME with an authority, names, its terms and TLS, and says what is missing', async () => {
    const acme = {
      ESPALIER_ACME_DIRECTORY: 'https://acme.example.com/directory',
      ESPALIER_ACME_NAMES: 'Gateway.example.com, jamf.example.com,gateway.example.com',
      ESPALIER_ACME_TERMS: 'accepted',
    };
    const result = await load(acme);
    expect(result.ok && result.config.acme).toEqual({
      directory: 'https://acme.example.com/directory',
      names: ['gateway.example.com', 'jamf.example.com'],
      email: undefined,
      challenge: 'http-01',
      listen: { host: '0.0.0.0', port: 80 },
    });
    const problems = async (environment: Record<string, string>) =>
      (await faultsOf(environment)).map((fault) => `${fault.variable} ${fault.problem}`);
    const { ESPALIER_ACME_NAMES: names, ...withoutNames } = acme;
    expect(await problems({ ESPALIER_ACME_NAMES: names })).toEqual([
      'ESPALIER_ACME_DIRECTORY is missing although certificates by ACME are set',
      'ESPALIER_ACME_TERMS is missing although certificates by ACME are set',
    ]);
    expect(await problems(withoutNames)).toEqual([
      'ESPALIER_ACME_NAMES is missing although certificates by ACME are set',
    ]);
    expect(await problems({ ...acme, ESPALIER_TLS: 'off' })).toEqual([
      "ESPALIER_TLS is 'off', so that no certificate is of use, although ESPALIER_ACME_NAMES is set",
    ]);
    for (const wrong of ['*.example.com', 'localhost', '192.0.2.1', 'büro.example.com', 'a..b', '-a.example'])
      expect(await problems({ ...acme, ESPALIER_ACME_NAMES: wrong })).toEqual([
        expect.stringContaining(`ESPALIER_ACME_NAMES has '${wrong}'`),
      ]);
    const many = Array.from({ length: 101 }, (_, index) => `n${index}.example.com`).join();
    expect(await problems({ ...acme, ESPALIER_ACME_NAMES: many })).toEqual([
      'ESPALIER_ACME_NAMES has 101 names, 100 are the most',
    ]);
    expect(await problems({ ...acme, ESPALIER_ACME_EMAIL: 'me', ESPALIER_ACME_TERMS: 'yes' })).toEqual([
      "ESPALIER_ACME_TERMS 'yes' is not accepted",
      "ESPALIER_ACME_EMAIL 'me' is no address of e-mail",
    ]);
  });

  it('says of each wrong entry of a list what is wrong with it, and of each number its range', async () => {
    const problems = async (environment: Record<string, string>) =>
      (await faultsOf(environment)).map((fault) => `${fault.variable} ${fault.problem}`);
    expect(await problems({ ESPALIER_OPERATOR_TENANTS: `contoso.com, ${id}, fabrikam.com` })).toEqual([
      "ESPALIER_OPERATOR_TENANTS 'contoso.com' is not a GUID",
      "ESPALIER_OPERATOR_TENANTS 'fabrikam.com' is not a GUID",
    ]);
    expect(await problems({ ESPALIER_RETRY_MAX_SECONDS: '0.5' })).toEqual([
      "ESPALIER_RETRY_MAX_SECONDS '0.5' is not a number from 1 to 86400",
    ]);
    expect(await problems({ ESPALIER_DATABASE_CONNECTIONS: '10.5' })).toEqual([
      "ESPALIER_DATABASE_CONNECTIONS '10.5' is not a whole number from 12 to 1000",
    ]);
    expect(await problems({ ESPALIER_LOG_LEVEL: 'loud' })).toEqual([
      "ESPALIER_LOG_LEVEL 'loud' is none of debug, info, warn, error",
    ]);
  });

  it('takes an empty variable for an absent one', async () => {
    const names = Object.values(settings).map(({ name }) => [name, ' '] as const);
    const [empty, absent] = [await load(Object.fromEntries(names)), await load({})];
    expect(JSON.stringify(empty)).toBe(JSON.stringify(absent));
  });

  it('never repeats a secret in a fault', async () => {
    const [fault] = await faultsOf({ ESPALIER_BOOTSTRAP_KEY: 'short-secret' });
    expect(fault?.variable).toBe('ESPALIER_BOOTSTRAP_KEY');
    expect(JSON.stringify(fault)).not.toContain('short-secret');
  });

  it('needs a sealing key beside a database of its own', async () => {
    const faults = await faultsOf({ DATABASE_URL: 'postgres://db/espalier' });
    expect(faults.map((fault) => fault.variable)).toEqual(['ESPALIER_SECRETS_KEY']);
  });

  it('gives a cloud its own application, and the others the shared one', async () => {
    const result = await load({
      ESPALIER_ENTRA_CLIENT_ID: id,
      ESPALIER_ENTRA_CLIENT_SECRET: 'shared',
      ESPALIER_ENTRA_CLIENT_SECRET_NEXT: 'shared-next',
      ESPALIER_ENTRA_CLIENT_ID_USGOV_DOD: id.replace('1', '2'),
      ESPALIER_ENTRA_CLIENT_SECRET_USGOV_DOD: 'own',
      ESPALIER_ENTRA_CLIENT_SECRET_USGOV_DOD_NEXT: 'own-next',
    });
    expect(result.ok).toBe(true);
    if (!result.ok) return;
    const secrets = (cloud: string) =>
      result.config
        .connector(cloud)
        ?.credentials.map((credential) => credential.kind === 'secret' && credential.secret);
    expect(secrets('public')).toEqual(['shared', 'shared-next']);
    expect(secrets('usgov-dod')).toEqual(['own', 'own-next']);
    expect(result.config.audiences('public')).toEqual([id]);
  });

  it('says which half of a credential is missing', async () => {
    const variables = async (environment: Record<string, string>) =>
      (await faultsOf(environment, () => 'pem')).map((fault) => fault.variable);
    expect(await variables({ ESPALIER_ENTRA_CLIENT_ID: id })).toEqual(['ESPALIER_ENTRA_CERT_FILE']);
    expect(await variables({ ESPALIER_ENTRA_CLIENT_ID: id, ESPALIER_ENTRA_CERT_FILE: '/c' })).toEqual([
      'ESPALIER_ENTRA_KEY_FILE',
    ]);
    expect(await variables({ ESPALIER_ENTRA_CLIENT_SECRET: 's' })).toEqual(['ESPALIER_ENTRA_CLIENT_ID']);
    expect(
      await variables({
        ESPALIER_ENTRA_CLIENT_ID: id,
        ESPALIER_ENTRA_CERT_FILE: '/c',
        ESPALIER_ENTRA_KEY_FILE: '/k',
      }),
    ).toEqual(['ESPALIER_ENTRA_CERT_FILE']);
  });

  it('names the place in the clouds file that is wrong', async () => {
    const faults = await faultsOf({ ESPALIER_CLOUDS_FILE: '/c' }, () => '{"lab":{"authority":"http://x"}}');
    expect(faults.every((fault) => fault.variable === 'ESPALIER_CLOUDS_FILE')).toBe(true);
    expect(faults.map((fault) => fault.problem).join()).toContain('lab');
  });

  it("lets operators sign in to the connector's application, or to one of their own", async () => {
    const connector = { ESPALIER_ENTRA_CLIENT_ID: id, ESPALIER_ENTRA_CLIENT_SECRET: 'connector' };
    const tenants = { ESPALIER_OPERATOR_TENANTS: id.toUpperCase() };
    const shared = await load({ ...connector, ...tenants });
    expect(shared.ok && shared.config.operators('public')?.clientId).toBe(id);
    expect(shared.ok && shared.config.operatorTenants).toEqual([id]);
    expect(shared.ok && shared.config.operatorAudiences('public')).toEqual([id, `api://${id}`]);
    const own = id.replace('1', '9');
    const apart = await load({
      ...connector,
      ...tenants,
      ESPALIER_OPERATOR_CLOUD: 'usgov',
      ESPALIER_OPERATOR_CLIENT_ID_USGOV: own,
      ESPALIER_OPERATOR_CLIENT_SECRET_USGOV: 'operators',
      ESPALIER_OPERATOR_CLIENT_SECRET_USGOV_NEXT: 'next',
      ESPALIER_OPERATOR_AUDIENCE: 'api://espalier',
      ESPALIER_ADMIN_URL: 'https://Admin.example.com:443/',
    });
    expect(apart.ok && apart.config.operators('usgov')).toMatchObject({ clientId: own });
    expect(apart.ok && apart.config.operators('usgov')?.credentials).toHaveLength(2);
    expect(apart.ok && apart.config.operators('public')?.clientId).toBe(id);
    expect(apart.ok && apart.config.operatorAudiences('usgov')).toEqual(['api://espalier']);
    expect(apart.ok && apart.config.adminUrl).toBe('https://admin.example.com');
  });

  it('says what is missing for operators to sign in', async () => {
    const variables = async (environment: Record<string, string>) =>
      (await faultsOf(environment)).map((fault) => fault.variable);
    const tenants = { ESPALIER_OPERATOR_TENANTS: id };
    expect(await variables(tenants)).toEqual(['ESPALIER_OPERATOR_CLIENT_ID']);
    expect(await variables({ ...tenants, ESPALIER_OPERATOR_CLIENT_ID: id })).toEqual([
      'ESPALIER_OPERATOR_CERT_FILE',
    ]);
    expect(await variables({ ESPALIER_OPERATOR_CLOUD: 'mars' })).toEqual(['ESPALIER_OPERATOR_CLOUD']);
    expect(await variables({ ESPALIER_OPERATOR_TENANTS: 'contoso.com' })).toEqual([
      'ESPALIER_OPERATOR_TENANTS',
    ]);
    for (const address of ['http://admin', 'https://admin/path', 'https://admin?x', 'admin'])
      expect(await variables({ ESPALIER_ADMIN_URL: address })).toEqual(['ESPALIER_ADMIN_URL']);
  });

  it('prints the effective configuration with secrets masked', () => {
    const lines = describeConfig({
      environment: {
        ESPALIER_BOOTSTRAP_KEY: 'esp_very-secret-value',
        ESPALIER_ENTRA_CLIENT_SECRET_USGOV_NEXT: 'hush',
        ESPALIER_TLS: 'off',
      },
      readFile: noFiles,
    }).join('\n');
    expect(lines).toContain('ESPALIER_TLS=off');
    expect(lines).toContain('ESPALIER_BOOTSTRAP_KEY=********');
    expect(lines).toContain('ESPALIER_ENTRA_CLIENT_SECRET_USGOV_NEXT=********');
    expect(lines).not.toMatch(/hush|very-secret/);
    expect(lines).toContain('ESPALIER_POLL_SECONDS= # default: 900');
  });

  describe('behind a balancer', () => {
    const problems = async (environment: Record<string, string>) =>
      (await faultsOf(environment)).map((fault) => `${fault.variable} ${fault.problem}`);
    const everybody =
      'ESPALIER_TRUSTED_PROXIES trusts every address, and so what any caller says of itself: name the balancers only';

    it.each([
      ['10.0.0.0/8, 192.0.2.7 ,fd00::/8', []],
      ['0.0.0.0/0', [everybody]],
      ['::/0', [everybody]],
      ['10.0.0.0/8,0.0.0.0/1,128.0.0.0/1', [everybody]],
      [
        'balancer.example.com,10.0.0.0/33',
        [
          "ESPALIER_TRUSTED_PROXIES 'balancer.example.com' is neither a CIDR nor an address",
          "ESPALIER_TRUSTED_PROXIES '10.0.0.0/33' is neither a CIDR nor an address",
        ],
      ],
    ])('trusts %s or says why not', async (list, faults) => {
      expect(await problems({ ESPALIER_TRUSTED_PROXIES: list })).toEqual(faults);
    });

    it('takes client certificates in a header of its own, from named balancers, of a named authority', async () => {
      expect(await problems({ ESPALIER_CLIENT_CERT_HEADER: 'X-Client-Cert' })).toEqual([
        'ESPALIER_TRUSTED_PROXIES is missing although ESPALIER_CLIENT_CERT_HEADER is set',
        'ESPALIER_CLIENT_CA_FILE is missing although ESPALIER_CLIENT_CERT_HEADER is set',
      ]);
      for (const name of ['x_client_cert', 'x-client-cert:', '-x', 'x client'])
        expect(await problems({ ESPALIER_CLIENT_CERT_HEADER: name })).toEqual([
          `ESPALIER_CLIENT_CERT_HEADER '${name}' is not a header's name of letters, digits and hyphens`,
        ]);
      for (const name of ['Authorization', 'Host', 'X-Forwarded-For', 'Content-Length'])
        expect(await problems({ ESPALIER_CLIENT_CERT_HEADER: name })).toEqual([
          `ESPALIER_CLIENT_CERT_HEADER '${name}' is a header with another meaning`,
        ]);
      const whole = {
        ESPALIER_CLIENT_CERT_HEADER: 'X-Client-Cert',
        ESPALIER_TRUSTED_PROXIES: '10.0.0.1',
        ESPALIER_CLIENT_CA_FILE: '/ca.pem',
      };
      const result = await load(whole, () => 'PEM');
      expect(result.ok && result.config.clientCertHeader).toBe('x-client-cert');
    });

    it('takes PROXY headers from named balancers only', async () => {
      expect(await problems({ ESPALIER_PROXY_PROTOCOL: 'required' })).toEqual([
        'ESPALIER_TRUSTED_PROXIES is missing although ESPALIER_PROXY_PROTOCOL is set',
      ]);
      expect(
        await problems({ ESPALIER_PROXY_PROTOCOL: 'required', ESPALIER_TRUSTED_PROXIES: '::/0' }),
      ).toEqual([everybody]);
      expect(
        await problems({ ESPALIER_PROXY_PROTOCOL: 'required', ESPALIER_TRUSTED_PROXIES: '10.0.0.1' }),
      ).toEqual([]);
      expect(await problems({ ESPALIER_PROXY_PROTOCOL: 'on' })).toEqual([
        "ESPALIER_PROXY_PROTOCOL 'on' is none of off, required",
      ]);
    });
  });
});
