CREATE TABLE "check_in_keepers" (
	"keeper_id" uuid PRIMARY KEY NOT NULL,
	"until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "check_in_marks" (
	"tenant_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"keeper_id" uuid NOT NULL,
	"generation" integer NOT NULL,
	"period_seconds" integer NOT NULL,
	"marked_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "check_in_marks_tenant_id_instance_id_keeper_id_pk" PRIMARY KEY("tenant_id","instance_id","keeper_id")
);
--> statement-breakpoint
ALTER TABLE "computers" ADD COLUMN "last_read_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "check_in_marks" ADD CONSTRAINT "check_in_marks_tenant_id_instance_id_instances_tenant_id_instance_id_fk" FOREIGN KEY ("tenant_id","instance_id") REFERENCES "instances"("tenant_id","instance_id") ON DELETE cascade ON UPDATE no action;