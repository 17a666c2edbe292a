ALTER TABLE "computers" ADD COLUMN "read_revision" bigint;--> statement-breakpoint
ALTER TABLE "computers" ADD COLUMN "read_at" timestamp with time zone;