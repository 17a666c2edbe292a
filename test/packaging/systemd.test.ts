/** The systemd unit, as systemd itself judges it. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { lacks } from './programs.ts';

const folder = join(import.meta.dirname, '../../deploy/systemd');
const unit = readFileSync(join(folder, 'espalier.service'), 'utf8');

describe.skipIf(lacks('systemd-analyze'))('the unit', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-unit-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  /** With a Node.js that is on this machine. */
  const write = (text: string): string => {
    const file = join(dir, 'espalier.service');
    writeFileSync(file, text.replace('ExecStart=/usr/bin/node', `ExecStart=${process.execPath}`));
    return file;
  };
  const verify = (text: string): string => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', write(text)], {
      encoding: 'utf8',
    });
    return `${status} ${stderr}`;
  };

  it('has nothing that systemd does not know', () => {
    expect(verify(unit)).toBe('0 ');
    expect(verify(unit.replace('ProtectHome', 'ProtectHouse'))).toContain("Unknown key 'ProtectHouse'");
  });

  it('leaves a service that was taken over little to do', () => {
    // Of ten; what is left is the network, which is its work, and memory that V8 writes and runs.
    const judge = (text: string): string =>
      execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', write(text)], {
        encoding: 'utf8',
      });
    const [, exposure] = /exposure level for espalier.service: ([\d.]+)/.exec(judge(unit)) ?? [];
    expect(Number(exposure)).toBeLessThanOrEqual(1.5);
  });
});

describe('the user of the unit', () => {
  it('is the one that sysusers makes', () => {
    const [, user] = /^User=(.*)$/m.exec(unit) ?? [];
    expect(readFileSync(join(folder, 'espalier.sysusers'), 'utf8')).toMatch(new RegExp(`^u ${user} `, 'm'));
  });
});
