ALTER TABLE "reports" DROP CONSTRAINT "reports_tenant_id_instance_id_instances_tenant_id_instance_id_fk";
--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "next_heartbeat_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "partner_state" jsonb;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "partner_state_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "terminated_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "devices_marked_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "devices_removed_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "deprovision_wanted" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "deprovision_try_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "deprovisioned_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "last_instance_gone" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "resync_timestamp" text;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "message_errors" jsonb;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "permissions" jsonb;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "permissions_checked_at" timestamp with time zone;