-- Objects of gateways that were put aside wait for no list: each pass looks for those without a pack; people list them all.
-- One index for both: at a full archive each takes a walk through all instances.
CREATE INDEX instances_aside ON instances (pack, id) WHERE is_quarantined;
