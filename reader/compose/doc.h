/* doc.h - a report as DICOM objects: a Basic Text SR and an Encapsulated PDF, as Part 10 files.
 * Pure functions of a plain struct: no clock, no random number, no database. The same fields give
 * the same bytes, so a job that was killed builds the same object again and the archive, to which
 * it may have gone already, finds nothing new. What stands where: docs/formats/report-documents.md.
 * Inside the stage compose only. Threads: any. */
#ifndef RADPOST_COMPOSE_DOC_H
#define RADPOST_COMPOSE_DOC_H

#include "proto/base/buf.h"

#define DOC_CLASS_SR "1.2.840.10008.5.1.4.1.1.88.11"  /* Basic Text SR Storage */
#define DOC_CLASS_PDF "1.2.840.10008.5.1.4.1.1.104.1" /* Encapsulated PDF Storage */
#define DOC_SYNTAX "1.2.840.10008.1.2.1"              /* Explicit VR Little Endian: both */
#define DOC_UID_BYTES 65

/* An image that was read: an instance of the manifest the signature covers. */
struct doc_image {
    const char *series;
    const char *sop_class;
    const char *sop_instance;
};

struct doc_person {
    const char *name;         /* "李明" */
    const char *licence;      /* practising licence; may be "" */
    const char *organisation; /* at the time of signing */
    const char *organisation_code;
};

/* An earlier version of this report, in the same study. */
struct doc_predecessor {
    const char *series;
    const char *sop_instance;
};

/* Texts UTF-8; NULL = "" = not known. Dates and times as in DICOM. */
struct doc_report {
    /* the patient and study as the images have them: the object must file beside them */
    const char *study;
    const char *patient_id;
    const char *issuer;
    const char *patient_name; /* PN, with its groups */
    const char *patient_birth;
    const char *patient_sex;
    const char *study_date;
    const char *study_time;
    const char *study_id;
    const char *accession;
    const char *study_description;
    const char *referring; /* PN */
    const char *modality;  /* of the images: chooses the document's title */
    const char *clinic;    /* institution that took the images */

    /* this version; see doc_uid() */
    const char *series;
    const char *sop_instance;
    unsigned version;
    bool is_preliminary;
    const struct doc_predecessor *predecessors; /* all earlier stored versions, newest first */
    size_t predecessor_count;
    const char *reason; /* why a later version; first version: NULL */

    const char *exam;
    const char *history;
    const char *findings;
    const char *impression;
    const char *missing; /* what of the study is missing for good; NULL or "": nothing is */
    struct doc_person author;
    struct doc_person reviewer; /* name "": nobody, as in a preliminary report */
    int64_t written_at_us;      /* 0 = as signed */
    int64_t signed_at_us; /* content date and time, in the process's local time + its offset */
    const struct doc_image *images;
    size_t image_count;
    const char *placer_order; /* the clinic's registration; may be NULL */
    const char *requested_id; /* requested procedure; may be NULL */
};

/* A UID under 2.25 made of a seed that is unique to the version (its canonical report's SHA-256)
 * and a word ("sr", "sr-series", "pdf", "pdf-series"): the same seed gives the same UID.
 * PS3.5 B.2. */
void doc_uid(const void *seed, size_t n, const char *word, char out[DOC_UID_BYTES]);

/* The SR as a Part 10 file appended to out. VERIFIED with the reviewer as Verifying Observer; a
 * preliminary report is COMPLETE, UNVERIFIED, PRELIMINARY.
 * errors  ERR_REJECT a UID is not one, no image, text that is not UTF-8 or too long, out's limit */
int doc_sr(const struct doc_report *report, struct buf *out, struct err *err) MUST_CHECK;

/* The PDF of the same version as a DICOM object in a series of its own; series and sop_instance of
 * the report are the PDF's here, sr_* name the SR it belongs to (Source Instance Sequence).
 * errors  ERR_REJECT as above, or the bytes are no PDF */
struct doc_pdf {
    const void *bytes;
    size_t n;
    const char *sr_sop_instance; /* NULL: none */
};
int doc_pdf_dicom(const struct doc_report *report, const struct doc_pdf *pdf, struct buf *out,
                  struct err *err) MUST_CHECK;

#endif
