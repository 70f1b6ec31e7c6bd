/* dimse_identifier.h - the identifier of a C-FIND, C-MOVE or C-GET of Query/Retrieve (PS3.4 C.4),
 * read into keys with values in UTF-8. An identifier belongs to its owner. */
#ifndef RADPOST_DICOM_DIMSE_IDENTIFIER_H
#define RADPOST_DICOM_DIMSE_IDENTIFIER_H

#include "proto/base/buf.h"
#include "proto/dicom/charset.h"
#include "proto/dicom/dimse.h"
#include "proto/dicom/syntax.h"
#include "proto/dicom/walk.h"

#define TAG_RETRIEVE_LEVEL 0x00080052u
#define TAG_STUDY_UID 0x0020000Du
#define TAG_SERIES_UID 0x0020000Eu
#define TAG_SOP_INSTANCE 0x00080018u
#define TAG_PATIENT_ID 0x00100020u

enum { DIMSE_KEYS = 256 };

enum dimse_level { DIMSE_STUDY, DIMSE_SERIES, DIMSE_IMAGE };

struct dimse_key {
    uint32_t tag;
    char *value; /* without padding; "" = universal matching */
    bool is_sequence;
};

struct dimse_identifier {
    enum dimse_level level;
    size_t n;
    struct dimse_key keys[DIMSE_KEYS];
};

/* coding: DCM_IMPLICIT_LE or DCM_EXPLICIT_LE.
 * errors  ERR_REJECT not a data set, no Query/Retrieve Level of ours, too many keys */
int dimse_identifier_read(const uint8_t *bytes, size_t n, enum dcm_coding coding,
                          struct dimse_identifier *out, struct err *err) MUST_CHECK;
/* Read the identifier that follows a request. *out_status is DIMSE_SUCCESS: it is there (fini it);
 * else what to answer, and why says more.
 * errors  of the association only */
int dimse_identifier_take(struct dimse_assoc *assoc, const struct dimse_command *rq,
                          struct dimse_identifier *out, uint16_t *out_status, struct err *why,
                          struct err *err) MUST_CHECK;
void dimse_identifier_fini(struct dimse_identifier *identifier);
/* "" where it is not there. */
const char *dimse_identifier_value(const struct dimse_identifier *identifier, uint32_t tag);
/* One element's value as UTF-8 without padding; what holds a zero in the middle ends there. The
 * caller's (free). */
char *dimse_identifier_text(const uint8_t *bytes, const struct dcm_element *e,
                            struct dcm_charset *charset);
/* UIDs between backslashes: how many, each valid; 0 if there is none or one is no UID. */
size_t dimse_uid_list(const char *value, char (**out_uids)[65]);

/* How data sets of a presentation context for queries are written: implicit or explicit. */
enum dcm_coding dimse_coding(const struct dimse_assoc *assoc, uint8_t context);

#endif
