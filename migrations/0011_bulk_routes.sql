CREATE TABLE "route_reads" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"version" bigint NOT NULL,
	"device_id" uuid NOT NULL,
	"up_to_version" bigint NOT NULL,
	"next_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "route_changes" DROP CONSTRAINT "route_changes_tenant_id_tenants_tenant_id_fk";
--> statement-breakpoint
ALTER TABLE "routes" DROP CONSTRAINT "routes_tenant_id_instance_id_instances_tenant_id_instance_id_fk";
--> statement-breakpoint
ALTER TABLE "route_reads" ADD CONSTRAINT "route_reads_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
-- What the foreign key from routes to instances promised, checked once for each instance that a statement names.
CREATE FUNCTION "espalier_routes_have_instances"() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = auto AS $$
DECLARE
  one record;
BEGIN
  FOR one IN SELECT DISTINCT "tenant_id", "instance_id" FROM "written" ORDER BY 1, 2 LOOP
    PERFORM 1 FROM "instances" i WHERE i."tenant_id" = one."tenant_id" AND i."instance_id" = one."instance_id" FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE foreign_key_violation USING MESSAGE = format('a route names instance %s, which tenant %s does not have',
        one."instance_id", one."tenant_id"), TABLE = 'routes', CONSTRAINT = 'routes_instances';
    END IF;
  END LOOP;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "routes_instances_insert" AFTER INSERT ON "routes" REFERENCING NEW TABLE AS "written"
FOR EACH STATEMENT EXECUTE FUNCTION "espalier_routes_have_instances"();--> statement-breakpoint
CREATE TRIGGER "routes_instances_update" AFTER UPDATE ON "routes" REFERENCING NEW TABLE AS "written"
FOR EACH STATEMENT EXECUTE FUNCTION "espalier_routes_have_instances"();--> statement-breakpoint
CREATE FUNCTION "espalier_instance_has_no_routes"() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = auto AS $$
BEGIN
  PERFORM 1 FROM "routes" r WHERE r."tenant_id" = OLD."tenant_id" AND r."instance_id" = OLD."instance_id" LIMIT 1;
  IF FOUND THEN
    RAISE foreign_key_violation USING MESSAGE = format('instance %s of tenant %s still has routes', OLD."instance_id",
      OLD."tenant_id"), TABLE = 'routes', CONSTRAINT = 'routes_instances';
  END IF;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "instances_routes" AFTER DELETE ON "instances"
FOR EACH ROW EXECUTE FUNCTION "espalier_instance_has_no_routes"();--> statement-breakpoint
-- First the row of route_versions, which everybody holds who writes lines of the history: what they write is seen then.
CREATE FUNCTION "espalier_forget_route_changes"() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = auto AS $$
BEGIN
  DELETE FROM "route_versions" WHERE "tenant_id" = OLD."tenant_id";
  DELETE FROM "route_changes" WHERE "tenant_id" = OLD."tenant_id";
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "tenants_route_changes" AFTER DELETE ON "tenants"
FOR EACH ROW EXECUTE FUNCTION "espalier_forget_route_changes"();
