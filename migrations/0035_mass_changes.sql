CREATE TABLE "mass_changes" (
	"tenant_id" uuid NOT NULL,
	"hold_id" uuid NOT NULL,
	"state" text DEFAULT 'open' NOT NULL,
	"mode" text NOT NULL,
	"percent" integer NOT NULL,
	"macs" integer NOT NULL,
	"unmanaged" integer NOT NULL,
	"not_compliant" integer NOT NULL,
	"opened_at" timestamp with time zone DEFAULT now() NOT NULL,
	"decided_by" text,
	"decided_at" timestamp with time zone,
	"decision_reason" text,
	"ended_at" timestamp with time zone,
	"version" integer DEFAULT 1 NOT NULL,
	CONSTRAINT "mass_changes_tenant_id_hold_id_pk" PRIMARY KEY("tenant_id","hold_id")
);
--> statement-breakpoint
CREATE TABLE "worse_counts" (
	"tenant_id" uuid NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"unmanaged" integer NOT NULL,
	"not_compliant" integer NOT NULL,
	CONSTRAINT "worse_counts_tenant_id_at_pk" PRIMARY KEY("tenant_id","at")
);
--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "worse_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "hold_id" uuid;--> statement-breakpoint
ALTER TABLE "mass_changes" ADD CONSTRAINT "mass_changes_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "worse_counts" ADD CONSTRAINT "worse_counts_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "mass_changes_in_force" ON "mass_changes" USING btree ("tenant_id") WHERE ended_at is null;