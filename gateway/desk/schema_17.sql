-- schema_17.sql - version 17.

-- == in which study the images of a step are: mpps_place.c ==

-- What a step lists. A device may put them under another study than the step's, or under several.
CREATE TABLE mpps_image (
    uid TEXT NOT NULL REFERENCES mpps (uid),
    instance TEXT NOT NULL,
    series TEXT NOT NULL,                      -- "" not said, or listed before this version
    study TEXT NOT NULL DEFAULT '',            -- it came under this one; "" not seen yet
    to_place INTEGER NOT NULL DEFAULT 1,       -- the spool is to be asked under which
    PRIMARY KEY (uid, instance)
) STRICT, WITHOUT ROWID;
CREATE INDEX mpps_image_by_instance ON mpps_image (instance);
CREATE INDEX mpps_image_by_series ON mpps_image (uid, series, study);
CREATE INDEX mpps_image_unplaced ON mpps_image (uid, instance) WHERE to_place = 1;
INSERT INTO mpps_image (uid, instance, series) SELECT DISTINCT by, instance, '' FROM expected WHERE by IN (SELECT uid FROM mpps);

DROP INDEX expected_missing;
CREATE INDEX expected_by_instance ON expected (instance);

-- == end of in which study the images of a step are ==
