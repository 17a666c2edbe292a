CREATE TABLE "directory_changes" (
	"tenant_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"object_id" uuid NOT NULL,
	"change" text NOT NULL,
	"revision" bigint DEFAULT 1 NOT NULL,
	"noted_at" timestamp with time zone DEFAULT now() NOT NULL,
	"next_try_at" timestamp with time zone DEFAULT now() NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "directory_changes_tenant_id_kind_object_id_pk" PRIMARY KEY("tenant_id","kind","object_id")
);
--> statement-breakpoint
CREATE TABLE "directory_devices" (
	"tenant_id" uuid NOT NULL,
	"object_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"enabled" boolean NOT NULL,
	"seen_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "directory_devices_tenant_id_object_id_pk" PRIMARY KEY("tenant_id","object_id")
);
--> statement-breakpoint
ALTER TABLE "subscriptions" ADD COLUMN "object_id" uuid;--> statement-breakpoint
ALTER TABLE "directory_changes" ADD CONSTRAINT "directory_changes_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "directory_devices" ADD CONSTRAINT "directory_devices_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "directory_changes_next_try" ON "directory_changes" USING btree ("next_try_at");--> statement-breakpoint
CREATE INDEX "directory_devices_device" ON "directory_devices" USING btree ("tenant_id","device_id");--> statement-breakpoint
CREATE INDEX "claims_user" ON "claims" USING btree ("tenant_id","user_id");