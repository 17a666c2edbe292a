/** Whatever ends a gateway gives it the time that it needs, which is written down in many places. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { drainDelayOf } from '../../src/cli/serve-words.ts';
import { drainMs } from '../../src/limits.ts';

const read = (file: string): string => readFileSync(join(import.meta.dirname, '../..', file), 'utf8');

const marginSeconds = 5;
const afterDelaySeconds = drainMs / 1_000 + marginSeconds;
const graceSeconds = drainDelayOf({ drainDelaySeconds: 5 }, 'SIGTERM') + afterDelaySeconds;

describe('the time until a gateway is killed', () => {
  it('is what the default of ESPALIER_DRAIN_DELAY_SECONDS makes it', () => {
    expect(read('src/cli/serve-words.ts')).toContain('const balancersSeconds = 5;');
    expect(graceSeconds).toBe(40);
  });

  it('is given by each service of the compose file that runs Espalier', () => {
    const { services } = parse(read('deploy/compose/compose.yaml'), { merge: true }) as {
      services: Record<string, { image?: string; stop_grace_period?: string }>;
    };
    const own = Object.entries(services).filter(([, { image }]) => image?.includes('espalier'));
    expect(own.map(([name]) => name)).toEqual(['secrets', 'gateway', 'demo']);
    for (const [name, service] of own) expect(service.stop_grace_period, name).toBe(`${graceSeconds}s`);
  });

  it('is given by systemd', () => {
    const unit = read('deploy/systemd/espalier.service');
    expect(unit).toContain(`\nTimeoutStopSec=${graceSeconds}\n`);
    // A signal to an embedded database would end it before the requests that need it.
    expect(unit).toContain('\nKillMode=mixed\n');
  });

  it('is given by the chart, whatever its delay', () => {
    const grace = `terminationGracePeriodSeconds: {{ add .Values.drainDelaySeconds ${afterDelaySeconds} }}`;
    expect(read('deploy/helm/espalier/templates/_pod.tpl')).toContain(grace);
  });

  it('is told in the Dockerfile and on the page about installing', () => {
    expect(read('Dockerfile')).toContain(`has to give it ${graceSeconds} s`);
    const page = read('docs/install.md');
    expect(page).toContain(`--stop-timeout ${graceSeconds}`);
    expect(page).toContain(
      `\`ESPALIER_DRAIN_DELAY_SECONDS\` and ${afterDelaySeconds} seconds: ${graceSeconds} by default`,
    );
  });
});
