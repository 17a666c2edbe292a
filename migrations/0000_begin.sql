CREATE TABLE "api_keys" (
	"key_id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"tenant_ids" uuid[],
	"key_hash" text NOT NULL,
	"prefix" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	"revoked_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "claims" (
	"tenant_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"jamf_computer_id" integer NOT NULL,
	"user_id" uuid,
	"serial_number" text,
	"udid" text,
	"last_enrolled_at" timestamp with time zone,
	"last_check_in_at" timestamp with time zone,
	"report_at" timestamp with time zone,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "claims_tenant_id_device_id_instance_id_jamf_computer_id_pk" PRIMARY KEY("tenant_id","device_id","instance_id","jamf_computer_id")
);
--> statement-breakpoint
CREATE TABLE "computers" (
	"tenant_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"jamf_computer_id" integer NOT NULL,
	"wanted_revision" bigint DEFAULT 1 NOT NULL,
	"done_revision" bigint DEFAULT 0 NOT NULL,
	"pushed_record" text,
	"pushed_report_at" timestamp with time zone,
	"pushed_revision" bigint,
	"not_found_since" timestamp with time zone,
	"report_at" timestamp with time zone,
	"udid" text,
	"serial_number" text,
	"next_try_at" timestamp with time zone DEFAULT now() NOT NULL,
	"lease_until" timestamp with time zone,
	"lease_owner" uuid,
	"attempts" integer DEFAULT 0 NOT NULL,
	"last_error" text,
	"traceparent" text,
	"first_seen_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "computers_tenant_id_instance_id_jamf_computer_id_pk" PRIMARY KEY("tenant_id","instance_id","jamf_computer_id")
);
--> statement-breakpoint
CREATE TABLE "consents" (
	"tenant_id" uuid NOT NULL,
	"state_hash" text NOT NULL,
	"application" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone,
	"outcome" text,
	CONSTRAINT "consents_tenant_id_state_hash_pk" PRIMARY KEY("tenant_id","state_hash")
);
--> statement-breakpoint
CREATE TABLE "instance_keys" (
	"tenant_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"key_id" uuid NOT NULL,
	"name" text NOT NULL,
	"key_hash" text NOT NULL,
	"prefix" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	CONSTRAINT "instance_keys_tenant_id_instance_id_key_id_pk" PRIMARY KEY("tenant_id","instance_id","key_id")
);
--> statement-breakpoint
CREATE TABLE "instances" (
	"tenant_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"name" text NOT NULL,
	"url" text NOT NULL,
	"api_client_id" text NOT NULL,
	"api_secret_sealed" text,
	"api_secret_ref" text,
	"compliance" jsonb NOT NULL,
	"ca_certificate" text,
	"client_certificate_sha256" text,
	"enabled" boolean DEFAULT true NOT NULL,
	"paused" boolean DEFAULT false NOT NULL,
	"jamf_version" text,
	"last_seen_at" timestamp with time zone,
	"last_error_at" timestamp with time zone,
	"last_error" text,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "instances_tenant_id_instance_id_pk" PRIMARY KEY("tenant_id","instance_id")
);
--> statement-breakpoint
CREATE TABLE "reports" (
	"tenant_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"content" text NOT NULL,
	"content_hash" text NOT NULL,
	"instance_id" uuid NOT NULL,
	"last_check_in_at" timestamp with time zone,
	"revision" bigint DEFAULT 1 NOT NULL,
	"confirmed_revision" bigint DEFAULT 0 NOT NULL,
	"state" text DEFAULT 'due' NOT NULL,
	"reason" text,
	"detail" text,
	"message_id" uuid,
	"sent_revision" bigint,
	"sent_content" text,
	"last_update_at" timestamp with time zone,
	"sent_at" timestamp with time zone,
	"accepted_at" timestamp with time zone,
	"completed_at" timestamp with time zone,
	"verified_at" timestamp with time zone,
	"verification" text,
	"check_in_told_at" timestamp with time zone,
	"next_try_at" timestamp with time zone DEFAULT now() NOT NULL,
	"lease_until" timestamp with time zone,
	"lease_owner" uuid,
	"attempts" integer DEFAULT 0 NOT NULL,
	"traceparent" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "reports_tenant_id_device_id_pk" PRIMARY KEY("tenant_id","device_id")
);
--> statement-breakpoint
CREATE TABLE "route_changes" (
	"tenant_id" uuid NOT NULL,
	"version" bigint NOT NULL,
	"device_id" uuid NOT NULL,
	"from_instance_id" uuid,
	"from_jamf_computer_id" integer,
	"to_instance_id" uuid,
	"to_jamf_computer_id" integer,
	"pinned" boolean NOT NULL,
	"rule" text NOT NULL,
	"author" text NOT NULL,
	"reason" text NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "route_changes_tenant_id_version_device_id_pk" PRIMARY KEY("tenant_id","version","device_id")
);
--> statement-breakpoint
CREATE TABLE "route_versions" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "routes" (
	"tenant_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"instance_id" uuid NOT NULL,
	"jamf_computer_id" integer NOT NULL,
	"serial_number" text,
	"udid" text,
	"pinned" boolean DEFAULT false NOT NULL,
	"rule" text NOT NULL,
	"since" timestamp with time zone DEFAULT now() NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "routes_tenant_id_device_id_pk" PRIMARY KEY("tenant_id","device_id")
);
--> statement-breakpoint
CREATE TABLE "tenants" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"cloud" text NOT NULL,
	"display_name" text NOT NULL,
	"mode" text NOT NULL,
	"connection_type" text NOT NULL,
	"landing" jsonb NOT NULL,
	"partner_group" jsonb,
	"connection_state" text DEFAULT 'new' NOT NULL,
	"hold" jsonb,
	"paused" boolean DEFAULT false NOT NULL,
	"connected_at" timestamp with time zone,
	"last_heartbeat_at" timestamp with time zone,
	"last_heartbeat_try_at" timestamp with time zone,
	"last_confirm_at" timestamp with time zone,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "timeline" (
	"tenant_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"sequence" bigint GENERATED ALWAYS AS IDENTITY (sequence name "timeline_sequence_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"stage" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"instance_id" uuid,
	"message_id" uuid,
	"detail" text,
	CONSTRAINT "timeline_tenant_id_device_id_sequence_pk" PRIMARY KEY("tenant_id","device_id","sequence")
);
--> statement-breakpoint
ALTER TABLE "claims" ADD CONSTRAINT "claims_tenant_id_instance_id_instances_tenant_id_instance_id_fk" FOREIGN KEY ("tenant_id","instance_id") REFERENCES "instances"("tenant_id","instance_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "computers" ADD CONSTRAINT "computers_tenant_id_instance_id_instances_tenant_id_instance_id_fk" FOREIGN KEY ("tenant_id","instance_id") REFERENCES "instances"("tenant_id","instance_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "consents" ADD CONSTRAINT "consents_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "instance_keys" ADD CONSTRAINT "instance_keys_tenant_id_instance_id_instances_tenant_id_instance_id_fk" FOREIGN KEY ("tenant_id","instance_id") REFERENCES "instances"("tenant_id","instance_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "instances" ADD CONSTRAINT "instances_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reports" ADD CONSTRAINT "reports_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reports" ADD CONSTRAINT "reports_tenant_id_instance_id_instances_tenant_id_instance_id_fk" FOREIGN KEY ("tenant_id","instance_id") REFERENCES "instances"("tenant_id","instance_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "route_changes" ADD CONSTRAINT "route_changes_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "route_versions" ADD CONSTRAINT "route_versions_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "routes" ADD CONSTRAINT "routes_tenant_id_instance_id_instances_tenant_id_instance_id_fk" FOREIGN KEY ("tenant_id","instance_id") REFERENCES "instances"("tenant_id","instance_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "timeline" ADD CONSTRAINT "timeline_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_hash" ON "api_keys" USING btree ("key_hash");--> statement-breakpoint
CREATE INDEX "claims_computer" ON "claims" USING btree ("tenant_id","instance_id","jamf_computer_id");--> statement-breakpoint
CREATE INDEX "computers_due" ON "computers" USING btree ("next_try_at") WHERE wanted_revision > done_revision;--> statement-breakpoint
CREATE UNIQUE INDEX "instance_keys_hash" ON "instance_keys" USING btree ("key_hash");--> statement-breakpoint
CREATE UNIQUE INDEX "instances_name" ON "instances" USING btree ("tenant_id","name");--> statement-breakpoint
CREATE UNIQUE INDEX "instances_id" ON "instances" USING btree ("instance_id");--> statement-breakpoint
CREATE INDEX "reports_due" ON "reports" USING btree ("next_try_at") WHERE state in ('due', 'held', 'sent', 'accepted') or verification = 'pending';--> statement-breakpoint
CREATE INDEX "route_changes_device" ON "route_changes" USING btree ("tenant_id","device_id","version");--> statement-breakpoint
CREATE INDEX "routes_instance" ON "routes" USING btree ("tenant_id","instance_id");