CREATE TABLE "schedule_survey" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"next_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "schedules" (
	"tenant_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"background" boolean NOT NULL,
	"due_at" timestamp with time zone NOT NULL,
	"entry_id" uuid DEFAULT gen_random_uuid() NOT NULL,
	CONSTRAINT "schedules_pk" PRIMARY KEY("tenant_id","instance_id","kind","background","due_at","entry_id")
);
--> statement-breakpoint
CREATE INDEX "schedules_computers" ON "schedules" USING btree ("due_at") WHERE kind in ('read', 'pushed');--> statement-breakpoint
CREATE INDEX "schedules_reports" ON "schedules" USING btree ("due_at") WHERE kind = 'report';
--> statement-breakpoint
-- Entries are inserted and deleted, never updated: what is dead of them stands in the way of each look.
ALTER TABLE "schedules" SET (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.05);
--> statement-breakpoint
INSERT INTO "schedule_survey" DEFAULT VALUES;
--> statement-breakpoint
-- Sees to it that a schedule has an entry no later than `due`; says whether it had none. The lock on the entry that suffices keeps
-- it from being ended before the caller's rows can be seen. An entry that is being ended is passed over, so nobody waits.
-- The plan is made once and enters the index also where the table was empty then.
CREATE FUNCTION "espalier_schedule"(of_tenant uuid, of_instance uuid, of_kind text, in_background boolean, due timestamptz)
RETURNS boolean LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
  PERFORM 1 FROM "schedules" s
  WHERE s."tenant_id" = of_tenant AND s."instance_id" = of_instance AND s."kind" = of_kind
    AND s."background" = in_background AND s."due_at" <= due
  ORDER BY s."due_at" LIMIT 1 FOR KEY SHARE SKIP LOCKED;
  IF FOUND THEN RETURN false; END IF;
  INSERT INTO "schedules" ("tenant_id", "instance_id", "kind", "background", "due_at")
  VALUES (of_tenant, of_instance, of_kind, in_background, due);
  RETURN true;
END $$;
--> statement-breakpoint
CREATE FUNCTION "espalier_schedule_report"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM espalier_schedule(NEW."tenant_id", '00000000-0000-0000-0000-000000000000', 'report', NEW."background", NEW."next_try_at");
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE FUNCTION "espalier_schedule_computer"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM espalier_schedule(NEW."tenant_id", NEW."instance_id", CASE WHEN NEW."needs_instance" THEN 'read' ELSE 'pushed' END,
    NEW."background", NEW."next_try_at");
  RETURN NULL;
END $$;
--> statement-breakpoint
-- A row that is put off keeps its entry, which is early then. Leases and renewals change none of these columns.
CREATE TRIGGER "reports_scheduled" AFTER INSERT ON "reports" FOR EACH ROW WHEN (NEW."next_try_at" IS NOT NULL)
EXECUTE FUNCTION "espalier_schedule_report"();
--> statement-breakpoint
CREATE TRIGGER "reports_rescheduled" AFTER UPDATE ON "reports" FOR EACH ROW
WHEN (NEW."next_try_at" IS NOT NULL AND (OLD."next_try_at" IS NULL OR NEW."next_try_at" < OLD."next_try_at"
  OR NEW."background" <> OLD."background"))
EXECUTE FUNCTION "espalier_schedule_report"();
--> statement-breakpoint
CREATE TRIGGER "computers_scheduled" AFTER INSERT ON "computers" FOR EACH ROW WHEN (NEW."next_try_at" IS NOT NULL)
EXECUTE FUNCTION "espalier_schedule_computer"();
--> statement-breakpoint
CREATE TRIGGER "computers_rescheduled" AFTER UPDATE ON "computers" FOR EACH ROW
WHEN (NEW."next_try_at" IS NOT NULL AND (OLD."next_try_at" IS NULL OR NEW."next_try_at" < OLD."next_try_at"
  OR NEW."background" <> OLD."background" OR NEW."needs_instance" <> OLD."needs_instance"))
EXECUTE FUNCTION "espalier_schedule_computer"();
--> statement-breakpoint
-- The triggers hold writers off until this is committed, so nothing becomes due in between.
INSERT INTO "schedules" ("tenant_id", "instance_id", "kind", "background", "due_at")
WITH RECURSIVE lanes AS (
  (SELECT tenant_id, background, next_try_at FROM "reports" WHERE next_try_at IS NOT NULL
   ORDER BY tenant_id, background, next_try_at LIMIT 1)
  UNION ALL
  SELECT next.* FROM lanes CROSS JOIN LATERAL (
    SELECT r.tenant_id, r.background, r.next_try_at FROM "reports" r
    WHERE r.next_try_at IS NOT NULL AND (r.tenant_id, r.background) > (lanes.tenant_id, lanes.background)
    ORDER BY r.tenant_id, r.background, r.next_try_at LIMIT 1) next
)
SELECT tenant_id, '00000000-0000-0000-0000-000000000000', 'report', background, next_try_at FROM lanes;
--> statement-breakpoint
INSERT INTO "schedules" ("tenant_id", "instance_id", "kind", "background", "due_at")
WITH RECURSIVE lanes AS (
  (SELECT tenant_id, instance_id, needs_instance, background, next_try_at FROM "computers" WHERE next_try_at IS NOT NULL
   ORDER BY tenant_id, instance_id, needs_instance, background, next_try_at LIMIT 1)
  UNION ALL
  SELECT next.* FROM lanes CROSS JOIN LATERAL (
    SELECT c.tenant_id, c.instance_id, c.needs_instance, c.background, c.next_try_at FROM "computers" c
    WHERE c.next_try_at IS NOT NULL AND (c.tenant_id, c.instance_id, c.needs_instance, c.background)
      > (lanes.tenant_id, lanes.instance_id, lanes.needs_instance, lanes.background)
    ORDER BY c.tenant_id, c.instance_id, c.needs_instance, c.background, c.next_try_at LIMIT 1) next
)
SELECT tenant_id, instance_id, CASE WHEN needs_instance THEN 'read' ELSE 'pushed' END, background, next_try_at FROM lanes;
