CREATE TABLE "operators" (
	"entra_tenant_id" uuid NOT NULL,
	"object_id" uuid NOT NULL,
	"name" text,
	"role" text,
	"last_seen_at" timestamp with time zone,
	"tenant_ids" uuid[],
	"assigned_at" timestamp with time zone,
	"version" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "operators_entra_tenant_id_object_id_pk" PRIMARY KEY("entra_tenant_id","object_id")
);
--> statement-breakpoint
ALTER TABLE "approvals" ADD COLUMN "requested_entra_tenant_id" uuid;