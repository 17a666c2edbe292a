CREATE TABLE "alert_cursors" (
	"tenant_id" uuid NOT NULL,
	"target_id" uuid NOT NULL,
	"sequence" bigint NOT NULL,
	"sending_to" bigint,
	"told_at" timestamp with time zone,
	CONSTRAINT "alert_cursors_tenant_id_target_id_pk" PRIMARY KEY("tenant_id","target_id")
);
--> statement-breakpoint
CREATE TABLE "alert_survey" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"next_at" timestamp with time zone DEFAULT now() NOT NULL,
	"looked_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "alert_targets" (
	"target_id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"format" text NOT NULL,
	"tenant_ids" uuid[],
	"kinds" text[],
	"history" boolean NOT NULL,
	"enabled" boolean NOT NULL,
	"address" text NOT NULL,
	"sealed" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"failing_since" timestamp with time zone,
	"given_up_at" timestamp with time zone,
	"last_error" text,
	"last_told_at" timestamp with time zone,
	"next_try_at" timestamp with time zone DEFAULT now() NOT NULL,
	"hears_since" timestamp with time zone DEFAULT now() NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"version" integer DEFAULT 1 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "alert_tellings" (
	"tenant_id" uuid NOT NULL,
	"target_id" uuid NOT NULL,
	"alert_id" uuid NOT NULL,
	"event" text NOT NULL,
	"message_id" uuid NOT NULL,
	"told_at" timestamp with time zone,
	CONSTRAINT "alert_tellings_tenant_id_target_id_alert_id_event_pk" PRIMARY KEY("tenant_id","target_id","alert_id","event")
);
--> statement-breakpoint
CREATE TABLE "alerts" (
	"tenant_id" uuid NOT NULL,
	"alert_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"cause" text NOT NULL,
	"subject" text NOT NULL,
	"facts" jsonb NOT NULL,
	"missed" integer DEFAULT 0 NOT NULL,
	"opened_at" timestamp with time zone DEFAULT now() NOT NULL,
	"resolved_at" timestamp with time zone,
	CONSTRAINT "alerts_tenant_id_alert_id_pk" PRIMARY KEY("tenant_id","alert_id")
);
--> statement-breakpoint
ALTER TABLE "alert_tellings" ADD CONSTRAINT "alert_tellings_tenant_id_alert_id_alerts_tenant_id_alert_id_fk" FOREIGN KEY ("tenant_id","alert_id") REFERENCES "alerts"("tenant_id","alert_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "alert_cursors_target" ON "alert_cursors" USING btree ("target_id");--> statement-breakpoint
CREATE INDEX "alert_targets_next" ON "alert_targets" USING btree ("next_try_at") WHERE enabled and given_up_at is null;--> statement-breakpoint
CREATE INDEX "alert_tellings_alert" ON "alert_tellings" USING btree ("tenant_id","alert_id");--> statement-breakpoint
CREATE INDEX "alert_tellings_target" ON "alert_tellings" USING btree ("target_id");--> statement-breakpoint
CREATE INDEX "alert_tellings_unfinished" ON "alert_tellings" USING btree ("target_id") WHERE told_at is null;--> statement-breakpoint
CREATE UNIQUE INDEX "alerts_open" ON "alerts" USING btree ("tenant_id","kind","cause","subject") WHERE resolved_at is null;--> statement-breakpoint
CREATE INDEX "alerts_resolved" ON "alerts" USING btree ("resolved_at") WHERE resolved_at is not null;--> statement-breakpoint
INSERT INTO "alert_survey" DEFAULT VALUES;