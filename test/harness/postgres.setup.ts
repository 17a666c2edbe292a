import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { driverFault } from '../../src/runtime/node-driver.ts';
import { startEmbeddedPostgres } from '../../src/runtime/node-embedded-postgres.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { grantServing } from '../../src/runtime/node-serving-grants.ts';
import { joinProgram } from './program.ts';
import { servingRole, templateDatabase } from './template.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A server on which every test file makes a database of its own. */
    databaseServer: string;
  }
}

const packages = fileURLToPath(new URL('../../node_modules', import.meta.url));

interface Shared {
  readonly url: string;
  readonly end: () => Promise<void>;
}

/** Of the run: each project of vitest loads this file for itself. */
const ofRun = globalThis as typeof globalThis & {
  espalierTests?: { shared: Promise<Shared>; users: number };
};

/** Tables that tests add to their copies, to see what a gateway does, are written by triggers as the role that serves. */
async function grantTestTables(template: string): Promise<void> {
  const sql = postgres(template, { max: 1, onnotice: () => undefined });
  for (const kind of ['tables', 'sequences'])
    await sql.unsafe(`alter default privileges in schema public grant all on ${kind} to ${servingRole.name}`);
  await sql.end();
}

/** One PostgreSQL for the whole run, the embedded one, one place for compiled code, and the command line that tests start. */
async function start(): Promise<Shared> {
  const unpatched = driverFault();
  if (unpatched !== undefined) throw new Error(unpatched);
  const dir = mkdtempSync(join(tmpdir(), 'espalier-test-'));
  // Inherited by the workers, and handed on by ownEnvironment.
  process.env.NODE_COMPILE_CACHE = join(dir, 'compiled');
  process.env.TESTED_KEYS = mkdtempSync(join(dir, 'keys-'));
  const bundles = mkdtempSync(join(tmpdir(), 'espalier-bundles-'));
  process.env.TESTED_BUNDLES = bundles;
  const joined = mkdtempSync(join(packages, '.espalier-tests-'));
  process.env.ESPALIER_TESTED_PROGRAM = await joinProgram(joined);
  // Nobody needs these databases after a crash: with fsync, dropping one takes over a second.
  // The files that run at the same time have several gateways each, more than one deployment's connections.
  const server = await startEmbeddedPostgres(dir, {
    serverSettings: ['fsync=off', 'full_page_writes=off', 'max_connections=400'],
  });
  const admin = postgres(server.url, { max: 1, onnotice: () => undefined });
  await admin.unsafe(`create database ${templateDatabase}`);
  await admin.unsafe(`create role ${servingRole.name} login password '${servingRole.password}'`);
  await admin.end();
  const template = new URL(server.url);
  template.pathname = `/${templateDatabase}`;
  await migrateDatabase(template.href);
  await grantServing(template.href, servingRole.name);
  await grantTestTables(template.href);
  return {
    url: server.url,
    end: async () => {
      await server.stop();
      for (const made of [dir, joined, bundles]) rmSync(made, { recursive: true, force: true });
    },
  };
}

/** The projects have it together, and the last one ends it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  ofRun.espalierTests ??= { shared: start(), users: 0 };
  const { espalierTests: run } = ofRun;
  run.users += 1;
  const { end, url } = await run.shared;
  project.provide('databaseServer', url);
  return async () => {
    run.users -= 1;
    if (run.users > 0) return;
    delete ofRun.espalierTests;
    await end();
  };
}
