/* dose_read.h - radiation dose in what devices send: the dose attributes of a performed procedure
 * step or an image, and a dose report (RDSR: TID 10001, 10011). Hostile bytes: values are finite
 * and not negative, or left out. Pure functions. DICOM: PS3.3 C.4.16, C.8.7, PS3.16 A.28 ff. */
#ifndef RADPOST_DESK_DOSE_READ_H
#define RADPOST_DESK_DOSE_READ_H

#include "proto/dicom/walk.h"

enum dose_kind {
#define DOSE_KIND(name, word, unit, is_summed) name,
#include "gateway/desk/dose_kinds.def"
#undef DOSE_KIND
    DOSE_KINDS
};

const char *dose_kind_word(enum dose_kind kind);
const char *dose_kind_unit(enum dose_kind kind);
bool dose_kind_is_summed(enum dose_kind kind);
enum dose_kind dose_kind_of(const char *word); /* DOSE_KINDS: none */

struct dose {
    bool has[DOSE_KINDS];
    double value[DOSE_KINDS]; /* in the kind's unit */
};

/* Add to what is there, as the kind is added. */
void dose_add(struct dose *dose, enum dose_kind kind, double value);

/* Does this SOP class hold dose: 0 no, 1 attributes of an image, 2 a report. */
enum dose_class { DOSE_CLASS_NONE, DOSE_CLASS_IMAGE, DOSE_CLASS_REPORT };
enum dose_class dose_class_of(const char *sop_class);

/* An attribute of the dose modules, wherever it stands; others change nothing. */
void dose_take_element(struct dose *dose, const uint8_t *dataset, const struct dcm_element *e);
/* The attributes of a data set (the beginning of it is enough).
 * errors  ERR_REJECT not a data set */
int dose_read_attributes(const uint8_t *dataset, size_t n, enum dcm_coding coding, struct dose *out,
                         struct err *err) MUST_CHECK;
enum { DOSE_PARTS_MAX = 8192 };

/* The totals of a dose report, each unit as it says, and what they are the totals of. */
struct dose_report {
    struct dose dose;
    bool is_of_study;  /* Scope of Accumulation: the study, up to now */
    char made_at[24];  /* content date and time, digits and a dot; "" unsaid */
    char device[260];  /* maker, model, serial number, station as the bytes are; "" unsaid */
    char (*parts)[65]; /* Irradiation Event UIDs, each once, then the documents it follows */
    size_t part_n, event_n;
};

/* *out: dose_report_fini(). With more than DOSE_PARTS_MAX parts it tells of none.
 * errors  ERR_REJECT not a data set; out is unset */
int dose_read_report(const uint8_t *dataset, size_t n, enum dcm_coding coding,
                     struct dose_report *out, struct err *err) MUST_CHECK;
void dose_report_fini(struct dose_report *report);

#endif
