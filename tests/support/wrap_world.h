/* wrap_world.h - files of devices without DICOM, wrapped for somebody, and the judges of what comes
 * of it: dciodvfy, and pydicom, DCMTK, GDCM, ffmpeg by tests/support/import_judge.py. cmocka
 * tests. */
#ifndef RADPOST_TESTS_SUPPORT_WRAP_WORLD_H
#define RADPOST_TESTS_SUPPORT_WRAP_WORLD_H

#include "proto/base/buf.h"
#include "proto/dicom/wrap.h"
#include "tests/support/folder.h"

extern char wrap_dir[FOLDER_PATH_BYTES];
extern char wrap_said[65536]; /* by the program that was run last */

/* Around a group, or a test: the folder. */
int wrap_world_start(void **state);
int wrap_world_stop(void **state);

/* A patient of a clinic's; what was examined and by which modality is the test's. */
#define WRAP_SOMEBODY                                                                              \
    .patient_id = "R26112200017", .patient_name = "王小明", .birth = "19670309", .sex = "F",       \
    .accession = "R26112200017", .study_uid = "2.25.1234567890", .study_id = "17",                 \
    .study_date = "20261122", .study_time = "083000", .institution = "云岭乡卫生院"

void wrap_world_plan(const struct buf *file, const struct wrap_identity *to, struct wrap_plan *out);
void wrap_world_wrap(const struct buf *file, const struct wrap_identity *to, struct buf *out);
/* Into the folder. */
void wrap_world_keep(const char *name, const struct buf *bytes, char path[256]);
/* dciodvfy finds no error; import_judge.py KIND DICOM SOURCE says that both hold the same. A
 * program that is not there says nothing. */
void wrap_world_judge(const char *dicom);
void wrap_world_compare(const char *kind, const char *dicom, const char *source);

#endif
