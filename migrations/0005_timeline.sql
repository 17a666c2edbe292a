ALTER TABLE "timeline" DROP CONSTRAINT "timeline_tenant_id_tenants_tenant_id_fk";
