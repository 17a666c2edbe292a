-- A fifth of a large table would be dead before it is vacuumed by default: with 10 million rows a gigabyte of them, and every
-- index scan steps over those. Each of these is written with every check-in or report.
ALTER TABLE "computers" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);--> statement-breakpoint
ALTER TABLE "claims" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);--> statement-breakpoint
ALTER TABLE "reports" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);--> statement-breakpoint
ALTER TABLE "directory_devices" SET (autovacuum_vacuum_scale_factor = 0.02);--> statement-breakpoint
ALTER TABLE "change_feed" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
