/* study.h - the demo's pictures as DICOM files of one invented patient: a CT of the head (study
 * 1, GB18030) and a chest radiograph (study 2, UTF-8). Threads: a study may be read by several. */
#ifndef RADPOST_DEMO_STUDY_H
#define RADPOST_DEMO_STUDY_H

#include "deploy/demo/noise.h"
#include "proto/base/buf.h"

struct study {
    uint64_t seed; /* of noise and, if is_fixed, of UIDs and dates */
    bool is_fixed; /* the same files every time */
    char date[9], time[7];
    char ct_study[65], ct_series[65], ct_frame[65];
    char dx_study[65], dx_series[65];
};

void study_init(struct study *s, bool is_fixed, uint64_t seed);
/* Slice 0.. of count, from the skull base to the crown, as a Part 10 file. */
int study_ct_slice(const struct study *s, int slice, int count, struct buf *out,
                   struct err *err) MUST_CHECK;
int study_chest(const struct study *s, struct buf *out, struct err *err) MUST_CHECK;

#endif
