CREATE TABLE "delivery_counts" (
	"tenant_id" uuid NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"received" integer NOT NULL,
	"accepted" integer NOT NULL,
	"completed" integer NOT NULL,
	"failed" integer NOT NULL,
	"delays" integer[] NOT NULL,
	CONSTRAINT "delivery_counts_tenant_id_at_pk" PRIMARY KEY("tenant_id","at")
);
--> statement-breakpoint
CREATE INDEX "delivery_counts_at" ON "delivery_counts" USING brin ("at");