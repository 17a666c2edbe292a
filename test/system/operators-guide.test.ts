import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../harness/http.ts';
import { ownEnvironment } from '../harness/own-environment.ts';
import { openShell, printedPattern, type TypingShell, typedBlocks } from '../harness/typed-page.ts';

/** docs/operators.md, typed into a shell in a clean checkout, block by block. */

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/operators.md'), 'utf8');
/** What a checkout has of what the page needs; its data directories would be those of whoever works in it. */
const parts = ['src', 'migrations', 'docs', 'package.json', 'tsconfig.json'];
const ids = [
  'f1389915-ab58-4bfa-bcb5-ec75cfe1d762',
  '6738f80f-8a0c-4cce-ba0a-7f892b284361',
  '060a247d-8f55-4846-a771-49023950e01d',
];

const listen = (port: number): Promise<Server | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
const close = (server: Server): Promise<unknown> => new Promise((closed) => server.close(closed));

async function allFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    const server = await listen(port);
    if (server === undefined) return false;
    await close(server);
  }
  return true;
}

const gatewayPorts = [8443, 9443, 9464];
const simulatorPorts = Array.from({ length: 14 }, (_, index) => 19_000 + index);
/** Held while the page is typed: of two runs on one machine one has to use other ports. */
const guardPort = 19_099;

interface Ports {
  readonly guard: Server;
  /** The page's text with the ports that can be used. */
  readonly mapped: (text: string) => string;
}

/** As they stand in the page when they are free; else shifted into a range where no test takes ports by chance. */
async function choosePorts(): Promise<Ports> {
  for (let shift = 0; shift < 60; shift += 1) {
    const moved = (port: number): number =>
      (port < 19_000 ? port + (shift === 0 ? 0 : 6_000) : port) + shift * 100;
    const guard = await listen(moved(guardPort));
    if (guard === undefined) continue;
    if (await allFree([...gatewayPorts, ...simulatorPorts].map(moved))) {
      const pattern = new RegExp(`\\b(${[...gatewayPorts, ...simulatorPorts].join('|')})\\b`, 'g');
      return { guard, mapped: (text) => text.replaceAll(pattern, (port) => String(moved(Number(port)))) };
    }
    await close(guard);
  }
  throw new Error('no ports are free for the page');
}

describe('docs/operators.md', () => {
  let scratch: string;
  let shell: TypingShell;
  let ports: Ports;

  beforeAll(async () => {
    ports = await choosePorts();
    scratch = mkdtempSync(join(tmpdir(), 'espalier-operators-'));
    // Run by root, the embedded database works as another user, who has to come in.
    chmodSync(scratch, 0o755);
    const checkout = join(scratch, 'checkout');
    const home = join(scratch, 'home');
    for (const dir of [checkout, home]) mkdirSync(dir);
    for (const part of parts) cpSync(join(root, part), join(checkout, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
    shell = openShell(checkout, { ...ownEnvironment(), HOME: home }, 120_000);
  });
  afterAll(async () => {
    await shell?.end();
    if (ports) await close(ports.guard);
    if (scratch) rmSync(scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 500 });
  });

  const blocks = typedBlocks(page);
  let stuck = false;
  const last = blocks.length - 1;

  async function verify(): Promise<void> {
    const checkout = join(scratch, 'checkout');
    const ca = readFileSync(join(checkout, '.espalier/tls.crt'), 'utf8');
    const authorization = `Bearer ${readFileSync(join(checkout, 'keys/alice.key'), 'utf8').trim()}`;
    const get = async (path: string) =>
      (
        await call(`${ports.mapped('https://localhost:9443')}/api/v1${path}`, {
          ca,
          headers: { authorization },
        })
      ).json;
    const tenants = (await get('/tenants')).results;
    expect(
      tenants.map(({ connectionState, id }: { connectionState: string; id: string }) => [
        id,
        connectionState,
      ]),
    ).toEqual(expect.arrayContaining(ids.map((id) => [id, 'connected'])));
    expect(tenants.length).toBe(3);
    const instances = [];
    for (const id of ids) instances.push(...(await get(`/tenants/${id}/instances`)).results);
    expect(instances.map(({ name }) => name).sort()).toEqual([
      'berlin',
      'boston',
      'cairo',
      'lima',
      'oslo',
      'paris',
      'tokyo',
    ]);
  }

  it('says what it prints at more than half of its commands, and ends by stopping what it started', () => {
    expect(blocks.filter(({ printed }) => printed !== undefined).length).toBeGreaterThan(blocks.length / 2);
    expect(blocks.at(-1)?.commands).toContain('kill');
  });

  for (const [index, { commands, line, printed }] of blocks.entries()) {
    it(`line ${line}: ${commands.split('\n').find((text) => !text.startsWith('#'))}`, async () => {
      // Before the page stops what it has set up: the three customers with their seven instances are there.
      if (index === last) await verify();
      // What follows a block that does not end would only wait as long.
      if (stuck) throw new Error('a block before this one did not end');
      const output = await shell.type(ports.mapped(commands)).catch((error: unknown) => {
        stuck = true;
        throw error;
      });
      if (printed !== undefined) expect(output.trimEnd()).toMatch(printedPattern(ports.mapped(printed)));
    }, 130_000);
  }

  it('leaves nothing running', async () => {
    const used = [...gatewayPorts, ...simulatorPorts].map((port) => Number(ports.mapped(String(port))));
    expect(await allFree(used)).toBe(true);
  });
});
