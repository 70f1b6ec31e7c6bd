-- What was found in packs has no job (packs_found.c): each walk's end asks whether its direct senders' lists name it.
CREATE INDEX instances_found ON instances (study) WHERE pack IS NOT NULL AND job IS NULL AND way NOT IN ('link', 'reader');
