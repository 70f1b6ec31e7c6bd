-- A reader serves others: the names of its certificate.
ALTER TABLE enrol_codes ADD COLUMN names text NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN names text NOT NULL DEFAULT '';

-- Revisions of a study, whoever closed them, in the order they came.
ALTER TABLE manifests ADD COLUMN study_revision integer;
UPDATE manifests m SET study_revision = n.number
FROM (SELECT tenant_id, study_uid, source, revision,
        row_number() OVER (PARTITION BY tenant_id, study_uid ORDER BY received_at_us, source, revision) AS number
    FROM manifests) n
WHERE n.tenant_id = m.tenant_id AND n.study_uid = m.study_uid AND n.source = m.source AND n.revision = m.revision;
ALTER TABLE manifests ALTER COLUMN study_revision SET NOT NULL;
CREATE UNIQUE INDEX manifests_in_order ON manifests (tenant_id, study_uid, study_revision);
