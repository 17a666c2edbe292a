CREATE TABLE "oldest_waiting" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"reports_since" timestamp with time zone,
	"computers_since" timestamp with time zone,
	"looked_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "report_count_changes" (
	"tenant_id" uuid NOT NULL,
	"due" bigint NOT NULL,
	"held" bigint NOT NULL,
	"sent" bigint NOT NULL,
	"accepted" bigint NOT NULL,
	"completed" bigint NOT NULL,
	"verified" bigint NOT NULL,
	"failed" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "report_counts" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"due" bigint NOT NULL,
	"held" bigint NOT NULL,
	"sent" bigint NOT NULL,
	"accepted" bigint NOT NULL,
	"completed" bigint NOT NULL,
	"verified" bigint NOT NULL,
	"failed" bigint NOT NULL,
	"is_complete" boolean DEFAULT true NOT NULL
);

--> statement-breakpoint
-- Each statement that changes reports inserts here, and the rows are added up within seconds: vacuum by number, not by share.
ALTER TABLE "report_count_changes" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000);
--> statement-breakpoint
ALTER TABLE "report_counts" SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
--> statement-breakpoint
-- It has no key, and a publication of all tables would refuse its deletions otherwise.
ALTER TABLE "report_count_changes" REPLICA IDENTITY FULL;
--> statement-breakpoint
-- A statement inserts one row for each tenant whose counts it changed. A trigger, so that processes of the version before count too.
CREATE FUNCTION "espalier_count_reports"() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = auto AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO "report_count_changes" ("tenant_id", "due", "held", "sent", "accepted", "completed", "verified", "failed")
    SELECT "tenant_id", count(*) FILTER (WHERE "state" = 'due'), count(*) FILTER (WHERE "state" = 'held'),
      count(*) FILTER (WHERE "state" = 'sent'), count(*) FILTER (WHERE "state" = 'accepted'),
      count(*) FILTER (WHERE "state" = 'completed'), count(*) FILTER (WHERE "state" = 'verified'),
      count(*) FILTER (WHERE "state" = 'failed')
    FROM "written" GROUP BY "tenant_id";
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO "report_count_changes" ("tenant_id", "due", "held", "sent", "accepted", "completed", "verified", "failed")
    SELECT "tenant_id", -count(*) FILTER (WHERE "state" = 'due'), -count(*) FILTER (WHERE "state" = 'held'),
      -count(*) FILTER (WHERE "state" = 'sent'), -count(*) FILTER (WHERE "state" = 'accepted'),
      -count(*) FILTER (WHERE "state" = 'completed'), -count(*) FILTER (WHERE "state" = 'verified'),
      -count(*) FILTER (WHERE "state" = 'failed')
    FROM "gone" GROUP BY "tenant_id";
  ELSE
    INSERT INTO "report_count_changes" ("tenant_id", "due", "held", "sent", "accepted", "completed", "verified", "failed")
    SELECT * FROM (
      SELECT "tenant_id", sum(CASE "state" WHEN 'due' THEN "change" ELSE 0 END) AS "due",
        sum(CASE "state" WHEN 'held' THEN "change" ELSE 0 END) AS "held",
        sum(CASE "state" WHEN 'sent' THEN "change" ELSE 0 END) AS "sent",
        sum(CASE "state" WHEN 'accepted' THEN "change" ELSE 0 END) AS "accepted",
        sum(CASE "state" WHEN 'completed' THEN "change" ELSE 0 END) AS "completed",
        sum(CASE "state" WHEN 'verified' THEN "change" ELSE 0 END) AS "verified",
        sum(CASE "state" WHEN 'failed' THEN "change" ELSE 0 END) AS "failed"
      FROM (SELECT "tenant_id", "state", 1 AS "change" FROM "written"
            UNION ALL SELECT "tenant_id", "state", -1 FROM "gone") both_sides
      GROUP BY "tenant_id") summed
    WHERE ("due", "held", "sent", "accepted", "completed", "verified", "failed") <> (0, 0, 0, 0, 0, 0, 0);
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER "reports_count_insert" AFTER INSERT ON "reports" REFERENCING NEW TABLE AS "written"
FOR EACH STATEMENT EXECUTE FUNCTION "espalier_count_reports"();
--> statement-breakpoint
CREATE TRIGGER "reports_count_update" AFTER UPDATE ON "reports" REFERENCING NEW TABLE AS "written" OLD TABLE AS "gone"
FOR EACH STATEMENT EXECUTE FUNCTION "espalier_count_reports"();
--> statement-breakpoint
CREATE TRIGGER "reports_count_delete" AFTER DELETE ON "reports" REFERENCING OLD TABLE AS "gone"
FOR EACH STATEMENT EXECUTE FUNCTION "espalier_count_reports"();
--> statement-breakpoint
-- After the triggers, whose lock waits for every writer: reports that no trigger saw are those of these tenants, and each
-- tenant is counted once in the background.
INSERT INTO "report_counts" ("tenant_id", "due", "held", "sent", "accepted", "completed", "verified", "failed", "is_complete")
SELECT "tenant_id", 0, 0, 0, 0, 0, 0, 0, false FROM "tenants";
