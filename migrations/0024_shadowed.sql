-- Workers hear of a move whose calls are compared by the version of its tenant. How far it is changes nothing for them.
CREATE TRIGGER "moves_served" AFTER INSERT OR UPDATE OR DELETE ON "moves"
FOR EACH ROW EXECUTE FUNCTION "espalier_raise_served"('percent', 'compared', 'differed', 'threshold', 'version',
  'shadow_started_at', 'updated_at');
