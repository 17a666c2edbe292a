/**
 * `node .ci/audit.ts` (part of `npm run check`): known vulnerabilities in what the package ships. A high or critical one
 * fails; what is less is told. Where the registry has no advisories, as most mirrors, or does not answer in time, it says so and passes:
 * a check that cannot be done must not stop work without a network. It prints no address of a registry, which may be a private one.
 */

import { spawn } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';

/** A registry that answers does so in two seconds. */
const answerWithinMs = 20_000;
const fatal: readonly string[] = ['high', 'critical'];

export type Audit =
  | { readonly kind: 'unanswered'; readonly why: string }
  | { readonly kind: 'answered'; readonly advisories: readonly Advisory[] };

export interface Advisory {
  readonly name: string;
  readonly severity: string;
  readonly titles: readonly string[];
}

const reportSchema = z.object({
  auditReportVersion: z.number(),
  vulnerabilities: z.record(
    z.string(),
    z.object({
      severity: z.string(),
      // A text names the dependency that brings the advisory.
      via: z.array(z.union([z.string(), z.object({ title: z.string() })])),
    }),
  ),
});
const failureSchema = z.object({ statusCode: z.number().optional(), error: z.unknown() });

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** What `npm audit --json` printed. */
export function readAudit(stdout: string): Audit {
  const answer = parsed(stdout);
  const report = reportSchema.safeParse(answer);
  if (report.success)
    return {
      kind: 'answered',
      advisories: Object.entries(report.data.vulnerabilities).map(([name, { severity, via }]) => ({
        name,
        severity,
        titles: via.map((one) => (typeof one === 'string' ? `by way of ${one}` : one.title)),
      })),
    };
  const status = failureSchema.safeParse(answer).data?.statusCode;
  return {
    kind: 'unanswered',
    why: status === undefined ? 'it could not be asked' : `it answered ${status}`,
  };
}

/** Asks the registry that npm is set up with. `cwd` has the lock file. */
export async function audit(
  cwd: string,
  { env = process.env, timeoutMs = answerWithinMs }: { env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<Audit> {
  const npm = spawn('npm', ['audit', '--omit=dev', '--json', '--fetch-retries=0'], {
    ...{ cwd, env },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const chunks: Buffer[] = [];
  npm.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const signal = await new Promise<NodeJS.Signals | null>((resolve, reject) => {
    npm.once('error', reject).once('close', (_code, by) => resolve(by));
  });
  if (signal !== null) return { kind: 'unanswered', why: `it did not answer within ${timeoutMs / 1_000} s` };
  return readAudit(Buffer.concat(chunks).toString());
}

/** Lines for people, and whether the check is passed. */
export function judge(found: Audit): { readonly passed: boolean; readonly lines: readonly string[] } {
  if (found.kind === 'unanswered')
    return {
      passed: true,
      lines: [`Dependencies were not audited: no registry with advisories answered (${found.why}).`],
    };
  const worst = found.advisories.filter(({ severity }) => fatal.includes(severity));
  const lines = found.advisories.map(
    ({ name, severity, titles }) => `${severity}: ${name}: ${titles.join(', ')}`,
  );
  if (lines.length === 0)
    return { passed: true, lines: ['Dependencies were audited: no known vulnerability.'] };
  const verdict =
    worst.length === 0
      ? 'Dependencies were audited: nothing high or critical.'
      : 'Dependencies have vulnerabilities that are high or critical: raise their versions.';
  return { passed: worst.length === 0, lines: [...lines, verdict] };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { lines, passed } = judge(await audit(process.cwd()));
  for (const line of lines) console.log(line);
  if (!passed) process.exitCode = 1;
}
