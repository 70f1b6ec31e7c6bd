/* sopclass.c - the table of storage SOP classes. */
#include "proto/dicom/sopclass.h"

#include <string.h>

#define STANDARD_ROOT "1.2.840.10008."
#define STORAGE_ROOT STANDARD_ROOT "5.1.4.1.1."

static const struct dcm_sop_class rows[] = {
#define SOP_CLASS(uid, name, modality, image, retired) {uid, name, modality, image, retired},
#include "proto/dicom/sopclass.def"
#undef SOP_CLASS
};

const struct dcm_sop_class *
dcm_sop_class_find(const char *uid)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].uid, uid) == 0)
            return &rows[i];
    return NULL;
}

bool
dcm_sop_class_may_be(const char *uid)
{
    return strncmp(uid, STANDARD_ROOT, strlen(STANDARD_ROOT)) != 0 ||
           strncmp(uid, STORAGE_ROOT, strlen(STORAGE_ROOT)) == 0;
}

const struct dcm_sop_class *
dcm_sop_class_at(size_t i)
{
    return i < ARRAY_LEN(rows) ? &rows[i] : NULL;
}
