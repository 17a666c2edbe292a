CREATE TABLE "change_feed" (
	"tenant_id" uuid NOT NULL,
	"change_id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "change_feed_change_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"transaction" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"kind" text NOT NULL,
	"version" bigint,
	"changes" integer,
	"instance_id" uuid,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "change_feed_tenant_id_change_id_pk" PRIMARY KEY("tenant_id","change_id")
);
--> statement-breakpoint
CREATE TABLE "claim_history" (
	"tenant_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"sequence" bigint GENERATED ALWAYS AS IDENTITY (sequence name "claim_history_sequence_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"instance_id" uuid NOT NULL,
	"jamf_computer_id" integer NOT NULL,
	"last_enrolled_at" timestamp with time zone,
	"last_check_in_at" timestamp with time zone,
	"state" text NOT NULL,
	"recorded_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "claim_history_tenant_id_device_id_sequence_pk" PRIMARY KEY("tenant_id","device_id","sequence")
);
--> statement-breakpoint
CREATE TABLE "device_links" (
	"tenant_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"previous_device_id" uuid NOT NULL,
	"linked_by" text NOT NULL,
	"linked_at" timestamp with time zone DEFAULT now() NOT NULL,
	"retired_at" timestamp with time zone,
	CONSTRAINT "device_links_tenant_id_device_id_previous_device_id_pk" PRIMARY KEY("tenant_id","device_id","previous_device_id")
);
--> statement-breakpoint
CREATE TABLE "gateway_processes" (
	"process_id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp with time zone DEFAULT now() NOT NULL,
	"heard_before" "xid8",
	"cached_routes" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "move_devices" (
	"tenant_id" uuid NOT NULL,
	"move_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"bucket" integer NOT NULL,
	"from_jamf_computer_id" integer NOT NULL,
	"to_jamf_computer_id" integer,
	"state" text DEFAULT 'planned' NOT NULL,
	"reason" text,
	"rule" text,
	"placed_at" timestamp with time zone,
	"moved_version" bigint,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "move_devices_tenant_id_move_id_device_id_pk" PRIMARY KEY("tenant_id","move_id","device_id")
);
--> statement-breakpoint
CREATE TABLE "move_differences" (
	"tenant_id" uuid NOT NULL,
	"move_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"call" text NOT NULL,
	"count" bigint DEFAULT 0 NOT NULL,
	"example_device_id" uuid NOT NULL,
	"example" text NOT NULL,
	"last_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "move_differences_tenant_id_move_id_kind_call_pk" PRIMARY KEY("tenant_id","move_id","kind","call")
);
--> statement-breakpoint
CREATE TABLE "moves" (
	"tenant_id" uuid NOT NULL,
	"move_id" uuid NOT NULL,
	"from_instance_id" uuid NOT NULL,
	"to_instance_id" uuid NOT NULL,
	"filter" text,
	"unclaimed" boolean DEFAULT false NOT NULL,
	"step_percent" integer NOT NULL,
	"shadow" boolean NOT NULL,
	"state" text DEFAULT 'planned' NOT NULL,
	"paused" boolean DEFAULT false NOT NULL,
	"percent" integer DEFAULT 0 NOT NULL,
	"threshold" real DEFAULT 0.01 NOT NULL,
	"shadow_started_at" timestamp with time zone,
	"compared" bigint DEFAULT 0 NOT NULL,
	"differed" bigint DEFAULT 0 NOT NULL,
	"author" text NOT NULL,
	"reason" text NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "moves_tenant_id_move_id_pk" PRIMARY KEY("tenant_id","move_id")
);
--> statement-breakpoint
CREATE TABLE "subscriptions" (
	"tenant_id" uuid NOT NULL,
	"resource" text NOT NULL,
	"subscription_id" text,
	"client_state_hash" text,
	"expires_at" timestamp with time zone,
	"state" text DEFAULT 'none' NOT NULL,
	"next_try_at" timestamp with time zone DEFAULT now() NOT NULL,
	"last_notification_at" timestamp with time zone,
	"last_error" text,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "subscriptions_tenant_id_resource_pk" PRIMARY KEY("tenant_id","resource")
);
--> statement-breakpoint
ALTER TABLE "route_changes" ALTER COLUMN "changed_at" SET DEFAULT clock_timestamp();--> statement-breakpoint
ALTER TABLE "routes" ALTER COLUMN "since" SET DEFAULT clock_timestamp();--> statement-breakpoint
ALTER TABLE "claims" ADD COLUMN "verdict" text;--> statement-breakpoint
ALTER TABLE "claims" ADD COLUMN "stale" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "route_changes" ADD COLUMN "placed_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "routes" ADD COLUMN "placed_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "claim_history" ADD CONSTRAINT "claim_history_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "device_links" ADD CONSTRAINT "device_links_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "move_devices" ADD CONSTRAINT "move_devices_tenant_id_move_id_moves_tenant_id_move_id_fk" FOREIGN KEY ("tenant_id","move_id") REFERENCES "moves"("tenant_id","move_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "move_differences" ADD CONSTRAINT "move_differences_tenant_id_move_id_moves_tenant_id_move_id_fk" FOREIGN KEY ("tenant_id","move_id") REFERENCES "moves"("tenant_id","move_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "moves" ADD CONSTRAINT "moves_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "subscriptions" ADD CONSTRAINT "subscriptions_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "change_feed_transaction" ON "change_feed" USING btree ("transaction");--> statement-breakpoint
CREATE INDEX "device_links_previous" ON "device_links" USING btree ("tenant_id","previous_device_id");--> statement-breakpoint
CREATE INDEX "move_devices_state" ON "move_devices" USING btree ("tenant_id","move_id","state","bucket");--> statement-breakpoint
CREATE UNIQUE INDEX "moves_open_from" ON "moves" USING btree ("tenant_id","from_instance_id") WHERE state in ('planned', 'shadowing', 'moving');--> statement-breakpoint
CREATE INDEX "subscriptions_next_try" ON "subscriptions" USING btree ("next_try_at");--> statement-breakpoint
CREATE INDEX "claims_udid" ON "claims" USING btree ("tenant_id","udid");--> statement-breakpoint
CREATE INDEX "claims_serial_number" ON "claims" USING btree ("tenant_id","serial_number");--> statement-breakpoint
-- What the rules know now is where their history begins.
INSERT INTO "claim_history" ("tenant_id", "device_id", "instance_id", "jamf_computer_id", "last_enrolled_at", "last_check_in_at", "state")
SELECT c."tenant_id", c."device_id", c."instance_id", c."jamf_computer_id", c."last_enrolled_at", c."last_check_in_at",
  CASE WHEN i."enabled" THEN 'active' ELSE 'resting' END
FROM "claims" c JOIN "instances" i ON i."tenant_id" = c."tenant_id" AND i."instance_id" = c."instance_id";--> statement-breakpoint
-- Whoever changes a tenant, an instance or a move, by whatever statement: the other processes hear of it.
CREATE FUNCTION "espalier_feed_tenant"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "change_feed" ("tenant_id", "kind") VALUES (coalesce(NEW."tenant_id", OLD."tenant_id"), 'tenant');
  PERFORM pg_notify('espalier_changes', '');
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "espalier_feed_instance"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "change_feed" ("tenant_id", "kind", "instance_id")
  VALUES (coalesce(NEW."tenant_id", OLD."tenant_id"), 'instance', coalesce(NEW."instance_id", OLD."instance_id"));
  PERFORM pg_notify('espalier_changes', '');
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "espalier_feed_move"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "change_feed" ("tenant_id", "kind") VALUES (coalesce(NEW."tenant_id", OLD."tenant_id"), 'move');
  PERFORM pg_notify('espalier_changes', '');
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "tenants_feed" AFTER INSERT OR UPDATE OR DELETE ON "tenants"
FOR EACH ROW EXECUTE FUNCTION "espalier_feed_tenant"();--> statement-breakpoint
-- Not when only the last contact is noted: that is written every few seconds.
CREATE TRIGGER "instances_feed" AFTER INSERT OR DELETE OR UPDATE OF "name", "url", "api_client_id", "api_secret_sealed",
  "api_secret_ref", "compliance", "ca_certificate", "client_certificate_sha256", "enabled", "paused", "jamf_version" ON "instances"
FOR EACH ROW EXECUTE FUNCTION "espalier_feed_instance"();--> statement-breakpoint
CREATE TRIGGER "moves_feed" AFTER INSERT OR DELETE OR UPDATE OF "state", "paused", "percent" ON "moves"
FOR EACH ROW EXECUTE FUNCTION "espalier_feed_move"();
