-- Objects of gateways that were put aside wait for no list. Few do, and each pass looks for them.
CREATE INDEX instances_aside_unlisted ON instances (study) WHERE pack IS NULL AND job IS NULL AND is_quarantined AND way = 'link';
CREATE INDEX instances_aside ON instances (tenant_id, id) WHERE is_quarantined;
