/* made_uid.h - the number under which a study or series stands whose own cannot be used: missing,
 * letters, an empty part, over 64 characters. Made of the object's bytes alone, so that gateway and
 * centre find the same one, each by itself; the bytes keep what they said. What it is made of is
 * docs/formats/made-uid.md, and is frozen: another rule would tear studies apart that are under
 * way. Threads: pure functions. */
#ifndef RADPOST_DICOM_MADE_UID_H
#define RADPOST_DICOM_MADE_UID_H

#include "proto/base/err.h"

/* A value as it lies in the data set, in place; n 0: absent or empty. */
struct dcm_raw {
    const uint8_t *at;
    size_t n;
};

/* What it is made of. All zero before the first dcm_said_note(). */
struct dcm_said {
    struct dcm_raw study, series, instance;
    struct dcm_raw patient_id, issuer, name, birth;
    struct dcm_raw study_date, accession, study_id, modality;
    struct dcm_raw series_number, series_description;
};

/* An element of the top level; what is not needed is passed over. Of two the later counts. value
 * lives as long as said is used. */
void dcm_said_note(struct dcm_said *said, uint32_t tag, const uint8_t *value, size_t n);

/* The number as it was said, if it can be used (uid_is_valid, lenient) in its whole length; else
 * false, and out stays. */
bool dcm_said_study(const struct dcm_said *said, char out[65]);
bool dcm_said_series(const struct dcm_said *said, char out[65]);

/* The number made for the study, and for a series of the study that stands under the number study.
 */
void dcm_make_study_uid(const struct dcm_said *said, char out[65]);
void dcm_make_series_uid(const struct dcm_said *said, const char *study, char out[65]);

#endif
