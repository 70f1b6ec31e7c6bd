/* report_pdf.h - a report as an A4 PDF for people: the clinic's printer, the patient's phone, the
 * archive. Chinese first, by cairo and pango in "Noto Sans CJK SC"; the text is real text, so that
 * it can be searched, copied and read aloud. Long texts run over as many pages as they need; each
 * page carries the names, the marks and its number.
 *
 * The same fields give the same bytes: no clock, no random number goes in, so a copy drawn again
 * from the kept report is the copy that was handed out (with the same fonts installed).
 *
 * Threads: any thread; pango is used by one at a time. */
#ifndef RADPOST_RENDER_REPORT_PDF_H
#define RADPOST_RENDER_REPORT_PDF_H

#include "proto/base/buf.h"

/* All texts UTF-8; NULL or "" = not known (a dash is drawn, or the row is left out). */
struct pdf_report {
    /* who */
    const char *reading_hospital; /* wrote it (the invited side): the heading */
    const char *clinic;           /* took the images (the inviting side) */
    const char *patient_name;     /* as people write it: see report_pdf_person_name() */
    const char *patient_sex;      /* DICOM's M F O, or words */
    const char *patient_age;      /* DICOM's 045Y, or words */
    const char *patient_birth;    /* YYYYMMDD or YYYY-MM-DD */
    const char *patient_id;
    /* what */
    const char *report_number; /* the read's number */
    const char *accession;
    const char *modality;   /* "CT" */
    const char *exam;       /* part and method: 检查部位与方法 */
    const char *study_date; /* YYYYMMDD or as people write it */
    const char *study_time; /* HHMMSS..., may be NULL */
    const char *complaint;  /* what brought the patient */
    const char *history;    /* 病史 */
    const char *findings;   /* 影像所见; line breaks are kept */
    const char *impression; /* 诊断意见 */
    /* by whom */
    const char *author;
    const char *author_licence;
    const char *reviewer; /* NULL or "": nobody, as in a preliminary report */
    const char *reviewer_licence;
    int64_t written_at_us; /* 0 = not said */
    int64_t signed_at_us;  /* shown in the process's local time, with its offset */
    /* standing */
    unsigned version;
    bool is_preliminary; /* 急诊报告，以正式报告为准 on every page */
    bool is_withdrawn;   /* 已作废 on every page */
    bool is_superseded;  /* 已更正: a later version is valid */
    const char *reason;  /* why there is a later version, or why it was withdrawn */
    const char *missing; /* what of the study is missing for good, and who says so */
    unsigned covers;     /* images that were read; "covers n images" */
    unsigned present;    /* images there are now; more than covers is said plainly. 0 = not known */
    int64_t looked_at_us;  /* a doctor looked at those that came later, and it stands. 0 = nobody */
    const char *looked_by; /* that doctor's name */
    const char *verify_url; /* QR and text; NULL: neither */
};

/* The PDF appended to out.
 * out_pages  may be NULL
 * errors     ERR_REJECT no findings and no impression, text that is not UTF-8, more than
 *            PDF_PAGES_MAX pages, or out's limit; ERR_FATAL no installed font has a character, or
 *            cairo */
#define PDF_PAGES_MAX 40
int report_pdf(const struct pdf_report *report, struct buf *out, unsigned *out_pages,
               struct err *err) MUST_CHECK;

/* A person's name from DICOM's PN for Chinese readers: the ideographic group when there is one,
 * else the first; components in order, without a gap between Chinese ones. out has size bytes. */
void report_pdf_person_name(const char *pn, char *out, size_t size);

#endif
