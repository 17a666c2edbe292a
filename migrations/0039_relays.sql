ALTER TABLE "gateway_processes" ADD COLUMN "version" text;--> statement-breakpoint
ALTER TABLE "placements" ADD COLUMN "relay_to" text;--> statement-breakpoint
ALTER TABLE "placements" ADD COLUMN "relay_until" timestamp with time zone;