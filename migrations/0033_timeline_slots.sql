CREATE TABLE "timeline_upkeep" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"slots_since" timestamp with time zone DEFAULT now() NOT NULL,
	"next_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
INSERT INTO "timeline_upkeep" DEFAULT VALUES;--> statement-breakpoint
-- Children and not partitions: a table with rows becomes a partition only by a new index and a scan of all of it, and a process of
-- the version before goes on writing to the table itself. Each child is a slot of 30 days, and the fifteenth is the first again.
do $$
begin
  for slot in 0..13 loop
    execute format('create table %I (primary key (tenant_id, device_id, sequence)) inherits (timeline)', 'timeline_' || slot);
    execute format('alter table %I alter column sequence set default nextval(''timeline_sequence_seq'')', 'timeline_' || slot);
  end loop;
end $$;--> statement-breakpoint
create function espalier_timeline_slot(written timestamptz) returns int language sql immutable as $$
  select (floor(extract(epoch from written) / (30 * 86400))::bigint % 14)::int
$$;--> statement-breakpoint
-- Inserts in one statement into the slot of a time.
create function espalier_add_timeline(written timestamptz, tenants uuid[], devices uuid[], stages text[], ats timestamptz[],
  instances uuid[], messages uuid[], details text[]) returns void language plpgsql as $$
begin
  execute format('insert into %I (tenant_id, device_id, stage, at, instance_id, message_id, detail)
    select tenant_id, device_id, stage, at, instance_id, message_id, detail
    from unnest($1, $2, $3, $4, $5, $6, $7) with ordinality
      as events(tenant_id, device_id, stage, at, instance_id, message_id, detail, position)
    order by position', 'timeline_' || espalier_timeline_slot(written))
  using tenants, devices, stages, ats, instances, messages, details;
end $$;--> statement-breakpoint
-- Empties a slot, or for null the rows of before there were slots. Who reads it is waited for, but not long: everybody who
-- reads a timeline waits behind this. False: there was nothing, or somebody had it.
create function espalier_clear_timeline(slot int) returns boolean language plpgsql as $$
declare
  target text := 'timeline' || coalesce('_' || slot, '');
  found boolean;
begin
  execute format('select exists (select from only %I)', target) into found;
  if not found then
    return false;
  end if;
  perform set_config('lock_timeout', '100ms', true);
  execute format('truncate only %I', target);
  return true;
exception when lock_not_available then
  return false;
end $$;
