/* facts.h - what index, queue and pages need to know of one instance, as UTF-8.
 * Fields come from the top level (a few from the functional groups of enhanced objects) and are
 * listed in facts.def. A text is cut at a character when it is longer than its field; a field that
 * is absent is "". Patient data: never logged. Threads: pure functions. */
#ifndef RADPOST_DICOM_FACTS_H
#define RADPOST_DICOM_FACTS_H

#include "proto/base/err.h"
#include "proto/dicom/charset.h"

struct dcm_facts {
/* Text: char NAME[SIZE], zero-ended. */
#define TEXT_FACT(name, tag, size, kind) char name[size];
#define NUMBER_FACT(name, tag, missing)
#include "proto/dicom/facts.def"
#undef TEXT_FACT
#undef NUMBER_FACT
/* Numbers: int64_t NAME, the third column when absent or not a number. */
#define TEXT_FACT(name, tag, size, kind)
#define NUMBER_FACT(name, tag, missing) int64_t name;
#include "proto/dicom/facts.def"
#undef TEXT_FACT
#undef NUMBER_FACT
    char transfer_syntax[65];
    enum dcm_text_method text_method;
    /* study_uid, series_uid: not what the file says, which cannot be used, but made (made_uid.h) */
    bool is_study_made, is_series_made;
    bool has_pixels; /* (7FE0,0010), float or double float pixel data */
    bool has_window; /* window_center, window_width: the first of each */
    double window_center, window_width;
    double rescale_slope, rescale_intercept; /* 1 and 0 when absent */
    bool is_prefix; /* the bytes ended before the pixel data or the data set's end */
};

/* Read them from a Part 10 file, or from its beginning when is_prefix (then what lies behind is
 * absent and has_pixels stays false).
 * study_uid and series_uid can always be used, except those of a beginning that ends before them.
 * errors  ERR_REJECT not a DICOM file, a broken data set, or no valid SOP Instance UID */
int dcm_facts_read(const uint8_t *part10, size_t n, bool is_prefix, struct dcm_facts *out,
                   struct err *err) MUST_CHECK;
/* The same with a profile of the sending device (charset.h). */
int dcm_facts_read_as(const uint8_t *part10, size_t n, bool is_prefix, const char *profile,
                      struct dcm_facts *out, struct err *err) MUST_CHECK;

#endif
