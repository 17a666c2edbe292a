/**
 * What the database itself saw: triggers write down each turn of a heartbeat and each message that was stored, so that what
 * Intune was sent can be held against it.
 */

import postgres from 'postgres';

/** A change of the time at which a tenant's next heartbeat is due. */
export interface HeartbeatTurn {
  readonly tenantId: string;
  /** Milliseconds since the epoch, as below. */
  readonly at: number;
  /** A process took it for itself; otherwise the next one was only put off or brought forward. */
  readonly taken: boolean;
}

/** One device in a message, as it is stored before it is sent. */
export interface StoredReport {
  readonly messageId: string;
  readonly tenantId: string;
  readonly deviceId: string;
  readonly revision: number;
  /** Devices in the message. */
  readonly devices: number;
  readonly at: number;
}

export interface Witnessed {
  readonly turns: readonly HeartbeatTurn[];
  readonly stored: readonly StoredReport[];
}

const connect = (url: string) => postgres(url, { max: 1, onnotice: () => undefined });

/** From now on, with the messages that are stored already: one may reach Intune late. The schema has to be there. */
export async function installWitness(url: string): Promise<void> {
  const sql = connect(url);
  try {
    await sql.unsafe(`
      create table witnessed_turns (
        id bigint generated always as identity, tenant_id uuid not null, at timestamptz not null, taken boolean not null);
      create table witnessed_reports (
        id bigint generated always as identity, message_id uuid not null, tenant_id uuid not null,
        device_id uuid not null, revision bigint not null, devices integer not null, at timestamptz not null);
      create function witness_turn() returns trigger language plpgsql as $$ begin
        insert into witnessed_turns (tenant_id, at, taken) values (
          new.tenant_id, now(), new.last_heartbeat_try_at is distinct from old.last_heartbeat_try_at);
        return null;
      end $$;
      create function witness_report() returns trigger language plpgsql as $$ begin
        insert into witnessed_reports (message_id, tenant_id, device_id, revision, devices, at)
        values (new.message_id, new.tenant_id, new.device_id, new.sent_revision, new.message_devices, now());
        return null;
      end $$;
      create trigger witness_turn after update of next_heartbeat_at on tenants
        for each row when (new.next_heartbeat_at is distinct from old.next_heartbeat_at) execute function witness_turn();
      create trigger witness_report after update of message_id on reports
        for each row when (new.message_id is distinct from old.message_id and new.message_id is not null)
        execute function witness_report();
      insert into witnessed_reports (message_id, tenant_id, device_id, revision, devices, at)
        select message_id, tenant_id, device_id, sent_revision, message_devices, sent_at from reports
        where message_id is not null order by sent_at;`);
  } finally {
    await sql.end({ timeout: 2 });
  }
}

/** Oldest first. */
export async function readWitness(url: string): Promise<Witnessed> {
  const sql = connect(url);
  try {
    const turns = await sql<{ tenantId: string; at: Date; taken: boolean }[]>`
      select tenant_id as "tenantId", at, taken from witnessed_turns order by id`;
    const stored = await sql<(Omit<StoredReport, 'at'> & { readonly at: Date })[]>`
      select message_id as "messageId", tenant_id as "tenantId", device_id as "deviceId", revision::int, devices, at
      from witnessed_reports order by id`;
    return {
      turns: turns.map((turn) => ({ ...turn, at: turn.at.getTime() })),
      stored: stored.map((report) => ({ ...report, at: report.at.getTime() })),
    };
  } finally {
    await sql.end({ timeout: 2 });
  }
}
