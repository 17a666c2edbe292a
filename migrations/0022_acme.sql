CREATE TABLE "acme_accounts" (
	"directory" text PRIMARY KEY NOT NULL,
	"key_sealed" text NOT NULL,
	"account_url" text,
	"email" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "acme_certificates" (
	"directory" text NOT NULL,
	"name" text NOT NULL,
	"chain" text,
	"key_sealed" text,
	"issued_at" timestamp with time zone,
	"not_after" timestamp with time zone,
	"order_url" text,
	"order_key_sealed" text,
	"ordered_at" timestamp with time zone,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_try_at" timestamp with time zone DEFAULT now() NOT NULL,
	"last_error" text,
	"last_error_at" timestamp with time zone,
	"wanted_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "acme_certificates_directory_name_pk" PRIMARY KEY("directory","name")
);
--> statement-breakpoint
CREATE TABLE "acme_challenges" (
	"directory" text NOT NULL,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"token" text NOT NULL,
	"key_authorization" text NOT NULL,
	"opened_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "acme_challenges_directory_name_pk" PRIMARY KEY("directory","name")
);
