CREATE TABLE "approvals" (
	"tenant_id" uuid NOT NULL,
	"approval_id" uuid NOT NULL,
	"state" text DEFAULT 'waiting' NOT NULL,
	"action" text NOT NULL,
	"summary" text NOT NULL,
	"devices" integer NOT NULL,
	"method" text NOT NULL,
	"target" text NOT NULL,
	"if_match" text,
	"body_sealed" text,
	"requested_kind" text NOT NULL,
	"requested_id" text,
	"requested_by" text NOT NULL,
	"requested_role" text NOT NULL,
	"requested_tenant_ids" uuid[],
	"request_id" text,
	"source" text,
	"decided_kind" text,
	"decided_id" text,
	"decided_by" text,
	"decided_at" timestamp with time zone,
	"decision_reason" text,
	"status" integer,
	"answer" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	CONSTRAINT "approvals_tenant_id_approval_id_pk" PRIMARY KEY("tenant_id","approval_id")
);
--> statement-breakpoint
CREATE TABLE "history" (
	"tenant_id" uuid NOT NULL,
	"sequence" bigint NOT NULL,
	"recorded_at" timestamp with time zone NOT NULL,
	"author_kind" text NOT NULL,
	"author_id" text,
	"author" text NOT NULL,
	"action" text NOT NULL,
	"object_kind" text NOT NULL,
	"object_id" text NOT NULL,
	"object_name" text,
	"before" text,
	"after" text,
	"reason" text,
	"request_id" text,
	"source" text,
	"approved_by" text,
	"previous_hash" text NOT NULL,
	"hash" text NOT NULL,
	CONSTRAINT "history_tenant_id_sequence_pk" PRIMARY KEY("tenant_id","sequence")
);
--> statement-breakpoint
CREATE TABLE "history_heads" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"sequence" bigint DEFAULT 0 NOT NULL,
	"hash" text DEFAULT '' NOT NULL,
	"trimmed_sequence" bigint DEFAULT 0 NOT NULL,
	"trimmed_hash" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"operator" text NOT NULL,
	"idempotency_key" text NOT NULL,
	"request_hash" text NOT NULL,
	"status" integer,
	"headers" jsonb,
	"body_sealed" text,
	"busy_until" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_operator_idempotency_key_pk" PRIMARY KEY("operator","idempotency_key")
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"session_hash" text PRIMARY KEY NOT NULL,
	"session_id" uuid NOT NULL,
	"entra_tenant_id" uuid NOT NULL,
	"object_id" uuid NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"last_seen_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "sign_ins" (
	"state_hash" text PRIMARY KEY NOT NULL,
	"browser_hash" text NOT NULL,
	"cloud" text NOT NULL,
	"nonce" text NOT NULL,
	"verifier_sealed" text NOT NULL,
	"return_to" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "approvals_waiting" ON "approvals" USING btree ("tenant_id","created_at") WHERE state = 'waiting';--> statement-breakpoint
CREATE INDEX "history_recorded" ON "history" USING btree ("tenant_id","recorded_at");--> statement-breakpoint
CREATE INDEX "history_object" ON "history" USING btree ("tenant_id","object_kind","object_id");--> statement-breakpoint
CREATE INDEX "idempotency_keys_expiry" ON "idempotency_keys" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "sessions_id" ON "sessions" USING btree ("session_id");--> statement-breakpoint
CREATE INDEX "sessions_person" ON "sessions" USING btree ("entra_tenant_id","object_id");--> statement-breakpoint
CREATE INDEX "sessions_expiry" ON "sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "sign_ins_expiry" ON "sign_ins" USING btree ("expires_at");