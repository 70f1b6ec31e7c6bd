-- A long backlog of packs, and of landing files to be cleaned away, is taken up in order without being sorted each time.

DROP INDEX pack_jobs_due;
CREATE INDEX pack_jobs_due ON pack_jobs (next_try_us, id) WHERE done_at_us IS NULL;
DROP INDEX instances_to_clean;
CREATE INDEX instances_to_clean ON instances (sealed_at_us) WHERE pack IS NOT NULL AND landing IS NOT NULL;
-- Of what came without a gateway, and of what the reader made, few instances wait for a list.
CREATE INDEX instances_unlisted ON instances (study) WHERE pack IS NULL AND job IS NULL AND way <> 'link';
