CREATE TABLE "named_computers" (
	"tenant_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"jamf_computer_id" integer NOT NULL,
	"named_at" timestamp with time zone DEFAULT now() NOT NULL,
	"traceparent" text,
	CONSTRAINT "named_computers_tenant_id_instance_id_jamf_computer_id_pk" PRIMARY KEY("tenant_id","instance_id","jamf_computer_id")
);
--> statement-breakpoint
ALTER TABLE "instance_reading" ADD COLUMN "next_learn_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "named_computers" ADD CONSTRAINT "named_computers_tenant_id_instance_id_instances_tenant_id_instance_id_fk" FOREIGN KEY ("tenant_id","instance_id") REFERENCES "instances"("tenant_id","instance_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "instance_reading_learn" ON "instance_reading" USING btree ("next_learn_at") WHERE next_learn_at is not null;