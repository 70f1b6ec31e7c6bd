/* doc_parts.h - what the SR and the PDF object have in common: patient, study, times, codes.
 * Inside doc_*.c only. */
#ifndef RADPOST_COMPOSE_DOC_PARTS_H
#define RADPOST_COMPOSE_DOC_PARTS_H

#include "proto/dicom/write.h"
#include "reader/compose/doc.h"

struct doc_code {
    const char *value, *scheme, *meaning;
};

struct doc_times {
    char date[16], time[16], moment[40], zone[8]; /* DA, TM, DT with its offset, +0800 */
};

/* Everything checked that the writers rely on.
 * errors  ERR_REJECT, naming the field and never its value */
int doc_vet(const struct doc_report *r, struct err *err) MUST_CHECK;
/* The process's local time. */
void doc_times_make(int64_t at_us, struct doc_times *out);

const char *doc_said(const char *text); /* NULL > "" */
/* At most max characters (not bytes), without controls; backslashes, which part values, become
 * slashes. PN, LO, SH. */
void doc_text(struct dcm_writer *w, uint32_t tag, const char *vr, const char *text, size_t max);
/* Long text: line ends as CR LF, no other control characters. UT. */
void doc_long_text(struct dcm_writer *w, uint32_t tag, const char *text);
/* A UI. */
void doc_uid_put(struct dcm_writer *w, uint32_t tag, const char *uid);
/* A sequence of one code; NULL: an empty sequence. */
void doc_code_put(struct dcm_writer *w, uint32_t tag, const struct doc_code *code);
void doc_empty_sequence(struct dcm_writer *w, uint32_t tag);
/* The document's title, by the modality of the images. */
const struct doc_code *doc_title(const struct doc_report *r);
/* A practising licence as a code of ours; false when it has none or it is longer than SH. */
bool doc_licence(const struct doc_person *p, struct doc_code *out);

/* (0008,0005)..(0020,0013): SOP, patient, study, series, equipment. */
struct doc_head {
    const char *sop_class, *modality, *series_description, *conversion; /* conversion NULL: none */
    int series_number;
};
void doc_head_put(struct dcm_writer *w, const struct doc_report *r, const struct doc_head *head,
                  const struct doc_times *at);
/* (0040,A360), when there are any. sop_class of all of them. */
void doc_predecessors_put(struct dcm_writer *w, const struct doc_report *r, const char *sop_class);

#endif
