ALTER TABLE "reports" ADD COLUMN "retracted" boolean DEFAULT false NOT NULL;--> statement-breakpoint
-- The hash's column said it until now.
UPDATE "reports" SET "retracted" = true, "content_hash" = '' WHERE "content_hash" = 'retracted';
