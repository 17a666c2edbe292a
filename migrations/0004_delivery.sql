CREATE TABLE "instance_reading" (
	"tenant_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"reader_owner" uuid,
	"reader_until" timestamp with time zone,
	"next_poll_at" timestamp with time zone DEFAULT now() NOT NULL,
	"poll_cursor" timestamp with time zone,
	"polled_at" timestamp with time zone,
	"poll_error" text,
	"next_reconcile_at" timestamp with time zone DEFAULT now() NOT NULL,
	"reconcile_started_at" timestamp with time zone,
	"reconcile_after_id" integer,
	"reconciled_at" timestamp with time zone,
	"reconcile_error" text,
	CONSTRAINT "instance_reading_tenant_id_instance_id_pk" PRIMARY KEY("tenant_id","instance_id")
);
--> statement-breakpoint
CREATE TABLE "watch" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"watched_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
DROP INDEX "computers_due";--> statement-breakpoint
DROP INDEX "reports_due";--> statement-breakpoint
ALTER TABLE "computers" ALTER COLUMN "next_try_at" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "reports" ALTER COLUMN "next_try_at" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "computers" ADD COLUMN "needs_instance" boolean GENERATED ALWAYS AS (pushed_revision is distinct from wanted_revision) STORED NOT NULL;--> statement-breakpoint
ALTER TABLE "computers" ADD COLUMN "gone_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "computers" ADD COLUMN "background" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "message_devices" integer;--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "message_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "message_open" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "alone" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "read_again" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "due_since" timestamp with time zone DEFAULT now();--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "failed_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "background" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "intune_quiet_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "instance_reading" ADD CONSTRAINT "instance_reading_tenant_id_instance_id_instances_tenant_id_instance_id_fk" FOREIGN KEY ("tenant_id","instance_id") REFERENCES "instances"("tenant_id","instance_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
INSERT INTO "instance_reading" ("tenant_id", "instance_id") SELECT "tenant_id", "instance_id" FROM "instances";--> statement-breakpoint
INSERT INTO "watch" DEFAULT VALUES;--> statement-breakpoint
UPDATE "computers" SET "next_try_at" = NULL WHERE "wanted_revision" <= "done_revision";--> statement-breakpoint
-- A stored message used to be kept whole; now each device keeps its entities, and the message is put together from them.
UPDATE "reports" SET
	"message_devices" = 1,
	"message_open" = "state" = 'sent',
	"message_at" = ("sent_content"::jsonb ->> 'UploadTime')::timestamptz,
	"sent_content" = CASE jsonb_typeof("sent_content"::jsonb -> 'Content')
		WHEN 'string' THEN "sent_content"::jsonb ->> 'Content' ELSE ("sent_content"::jsonb -> 'Content')::text END
	WHERE "sent_content" IS NOT NULL;--> statement-breakpoint
UPDATE "reports" SET
	"next_try_at" = CASE WHEN "state" IN ('due', 'held', 'sent', 'accepted') OR "verification" = 'pending' THEN "next_try_at" END,
	"due_since" = CASE WHEN "state" IN ('due', 'held', 'sent', 'accepted') THEN "updated_at" END,
	"failed_at" = CASE WHEN "state" = 'failed' THEN "updated_at" END;--> statement-breakpoint
-- Room on each page for the versions that a row goes through while it is in work.
ALTER TABLE "computers" SET (fillfactor = 80);--> statement-breakpoint
ALTER TABLE "reports" SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);--> statement-breakpoint
CREATE INDEX "instance_reading_poll" ON "instance_reading" USING btree ("next_poll_at");--> statement-breakpoint
CREATE INDEX "instance_reading_reconcile" ON "instance_reading" USING btree ("next_reconcile_at");--> statement-breakpoint
CREATE INDEX "reports_failed" ON "reports" USING btree ("tenant_id","failed_at") WHERE failed_at is not null;--> statement-breakpoint
CREATE INDEX "computers_due" ON "computers" USING btree ("tenant_id","instance_id","needs_instance","background","next_try_at") WHERE next_try_at is not null;--> statement-breakpoint
CREATE INDEX "reports_due" ON "reports" USING btree ("tenant_id","background","next_try_at") WHERE next_try_at is not null;--> statement-breakpoint
ALTER TABLE "computers" ADD CONSTRAINT "computers_due_has_time" CHECK (wanted_revision <= done_revision or next_try_at is not null);--> statement-breakpoint
ALTER TABLE "reports" ADD CONSTRAINT "reports_due_has_time" CHECK (state in ('completed', 'verified', 'failed') or next_try_at is not null);