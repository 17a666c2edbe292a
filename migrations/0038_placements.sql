CREATE TABLE "placements" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"generation" integer NOT NULL,
	"move_id" uuid NOT NULL,
	"fenced_at" timestamp with time zone,
	"sealed_at" timestamp with time zone,
	"arrived_at" timestamp with time zone
);
