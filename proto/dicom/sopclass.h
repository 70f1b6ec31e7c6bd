/* sopclass.h - every standard storage SOP class (PS3.4 B.5 and B.6 current, and the retired ones
 * devices still send), for presentation contexts and for words on a page. The table is
 * sopclass.def. Threads: a constant table. */
#ifndef RADPOST_DICOM_SOPCLASS_H
#define RADPOST_DICOM_SOPCLASS_H

#include "proto/base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dcm_sop_class {
    const char *uid;
    const char *name;     /* "CT Image Storage" */
    const char *modality; /* short, what such an object usually carries: "CT"; "OT" if anything */
    bool is_image;
    bool is_retired;
};

#define DCM_UID_VERIFICATION "1.2.840.10008.1.1"
#define DCM_UID_CT_IMAGE "1.2.840.10008.5.1.4.1.1.2"
#define DCM_UID_SECONDARY_CAPTURE "1.2.840.10008.5.1.4.1.1.7"
#define DCM_UID_DX_FOR_PRESENTATION "1.2.840.10008.5.1.4.1.1.1.1"
#define DCM_UID_STUDY_ROOT_FIND "1.2.840.10008.5.1.4.1.2.2.1"
#define DCM_UID_STUDY_ROOT_MOVE "1.2.840.10008.5.1.4.1.2.2.2"
#define DCM_UID_STUDY_ROOT_GET "1.2.840.10008.5.1.4.1.2.2.3"
#define DCM_UID_PATIENT_ROOT_FIND "1.2.840.10008.5.1.4.1.2.1.1"
#define DCM_UID_PATIENT_ROOT_MOVE "1.2.840.10008.5.1.4.1.2.1.2"
#define DCM_UID_PATIENT_ROOT_GET "1.2.840.10008.5.1.4.1.2.1.3"

/* NULL when it is no standard storage class (a private one may still be stored). */
const struct dcm_sop_class *dcm_sop_class_find(const char *uid);
/* Private, or below the root of the standard's storage classes: one that is newer than this table,
 * maybe. */
bool dcm_sop_class_may_be(const char *uid);
/* The rows in order: i = 0.. until NULL. */
const struct dcm_sop_class *dcm_sop_class_at(size_t i);

#ifdef __cplusplus
}
#endif
#endif
