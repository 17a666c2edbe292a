CREATE TABLE "computer_tombstones" (
	"tenant_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"jamf_computer_id" integer NOT NULL,
	"report_at" timestamp with time zone,
	"gone_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone NOT NULL,
	CONSTRAINT "computer_tombstones_tenant_id_instance_id_jamf_computer_id_pk" PRIMARY KEY("tenant_id","instance_id","jamf_computer_id")
);
--> statement-breakpoint
CREATE TABLE "device_tombstones" (
	"tenant_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"last_update_at" timestamp with time zone,
	"gone_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone NOT NULL,
	CONSTRAINT "device_tombstones_tenant_id_device_id_pk" PRIMARY KEY("tenant_id","device_id")
);
--> statement-breakpoint
CREATE TABLE "gone_survey" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"next_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "computer_tombstones" ADD CONSTRAINT "computer_tombstones_tenant_id_instance_id_instances_tenant_id_instance_id_fk" FOREIGN KEY ("tenant_id","instance_id") REFERENCES "instances"("tenant_id","instance_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "device_tombstones" ADD CONSTRAINT "device_tombstones_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "computer_tombstones_ended" ON "computer_tombstones" USING btree ("tenant_id","instance_id","ended_at");--> statement-breakpoint
CREATE INDEX "device_tombstones_ended" ON "device_tombstones" USING btree ("tenant_id","instance_id","ended_at");--> statement-breakpoint
INSERT INTO "gone_survey" DEFAULT VALUES;