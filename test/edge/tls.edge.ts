import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { GatewayProcess } from '../harness/gateway.ts';
import { type EdgeScene, hasProgram, startEdgeScene, tableOf } from './edge-scene.ts';

/**
 * Debian's testssl.sh against the data listener, with the authority of the test trusted: no finding on protocols, ciphers or
 * vulnerabilities is above LOW. What cannot apply to a listener of a test is listed with its reason, and printed.
 */

const program = 'testssl';
const minutes = 9;

/** testssl.sh finds no name without a dot in a certificate. */
const name = 'gateway.example.test';

/** Findings by id; a reason for each. */
const notApplicable: readonly (readonly [RegExp, string])[] = [
  [/^cert_(crlDistributionPoints|ocspURL|revocation)$/, "the test's authority publishes no revocation"],
  [
    /^(OCSP_stapling|cert_mustStapleExtension)/,
    "the test's authority answers no OCSP; Node staples what an operator's does",
  ],
  [/^DNS_CAArecord$/, 'the name of the test has no DNS zone'],
  [/^(certificate_transparency)/, "the test's authority is in no public log"],
  [
    /^cert_(caIssuers|certificatePolicies_EV|expirationStatus|validityPeriod|extlifeSpan|notAfter)/,
    'how long it is valid is the choice of an operator',
  ],
  [
    /^HSTS/,
    'HSTS is only sent under the public name of a gateway, and not for localhost: test/hostile looks at it',
  ],
  [
    /^(HPKP|banner_|cookie_|security_headers|Reverse|HTTP_)/,
    'a finding about HTTP: test/hostile and test/system look at headers',
  ],
  [
    /^(scanTime|engine_problem|scanProblem|service|pre_128cipher|host_certificate_Problem)/,
    'tells of the tool itself',
  ],
];

const findingSchema = z.object({ id: z.string(), severity: z.string(), finding: z.string() });
type Finding = z.infer<typeof findingSchema>;
const aboveLow = ['MEDIUM', 'HIGH', 'CRITICAL', 'FATAL'];
const harmless = ['OK', 'INFO', 'DEBUG'];

describe.runIf(hasProgram(program))('testssl.sh', () => {
  let edge: EdgeScene;
  let gateway: GatewayProcess;
  let dir: string;
  let findings: readonly Finding[];

  beforeAll(
    async () => {
      edge = await startEdgeScene();
      dir = mkdtempSync(join(tmpdir(), 'espalier-tls-'));
      const { authority } = edge.scene.world;
      const { certificatePem, keyPem } = await authority.issue([name]);
      const files = { 'ca.pem': authority.certificatePem, 'tls.crt': certificatePem, 'tls.key': keyPem };
      for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text, { mode: 0o600 });
      gateway = await edge.scene.another({
        ESPALIER_TLS_CERT_FILE: join(dir, 'tls.crt'),
        ESPALIER_TLS_KEY_FILE: join(dir, 'tls.key'),
      });
      findings = await scan(gateway.data);
    },
    minutes * 60_000 + 60_000,
  );
  afterAll(async () => {
    await gateway?.stop();
    await edge?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  async function scan(origin: string): Promise<readonly Finding[]> {
    const file = join(dir, 'findings.json');
    const args = [
      '--quiet',
      '--color',
      '0',
      '--warnings',
      'batch',
      '--openssl-timeout',
      '10',
      '--nodns',
      'none',
    ];
    const child = spawn(
      program,
      [
        ...args,
        '--ip',
        '127.0.0.1',
        '--add-ca',
        join(dir, 'ca.pem'),
        '--jsonfile',
        file,
        `${name}:${new URL(origin).port}`,
      ],
      { stdio: 'ignore', timeout: minutes * 60_000 },
    );
    await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    return z.array(findingSchema).parse(JSON.parse(readFileSync(file, 'utf8')));
  }
  const reasonFor = ({ id }: Finding): string | undefined => notApplicable.find(([of]) => of.test(id))?.[1];

  test('it looked at protocols, ciphers and vulnerabilities, and at the certificate of the test', () => {
    const ids = findings.map(({ id }) => id);
    expect(ids).toEqual(
      expect.arrayContaining(['TLS1_2', 'TLS1_3', 'SSLv3', 'PFS', 'heartbleed', 'ROBOT', 'BEAST']),
    );
    expect(findings.find(({ id }) => id === 'cert_chain_of_trust')?.finding).toMatch(/passed/);
  });

  test('no finding that applies is above LOW', () => {
    const told = findings.filter(({ severity }) => !harmless.includes(severity));
    const rows = told.map((one) => [
      one.severity,
      one.id,
      one.finding.slice(0, 60),
      reasonFor(one) ?? 'applies',
    ]);
    process.stdout.write(`\n${tableOf([['severity', 'id', 'finding', 'judgement'], ...rows])}\n`);
    expect(told.filter((one) => aboveLow.includes(one.severity) && reasonFor(one) === undefined)).toEqual([]);
  });
});
