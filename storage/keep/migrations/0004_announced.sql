-- How many instances a study's devices say there are (MPPS, commitment); NULL: nobody said. It only grows.
ALTER TABLE manifests ADD COLUMN announced integer;
