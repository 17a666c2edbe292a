ALTER TABLE "route_versions" ADD COLUMN "trimmed_version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "route_versions" ADD COLUMN "trimmed_before" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "claim_history_computer" ON "claim_history" USING btree ("tenant_id","instance_id","jamf_computer_id");