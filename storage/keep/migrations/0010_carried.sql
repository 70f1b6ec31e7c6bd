-- What a source's lists before named, and this one neither names nor says to have left: a gateway that got a new disk, or
-- whose summary of the study is gone after 90 days, lists only what came since.
ALTER TABLE manifests ADD COLUMN carried_objects bytea[] NOT NULL DEFAULT '{}',
    ADD COLUMN carried_sops text[] NOT NULL DEFAULT '{}';
