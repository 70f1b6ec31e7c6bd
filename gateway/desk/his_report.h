/* his_report.h - a returned report as the clinic's own systems are told it: gathered from the book,
 * and written as HL7 ORU^R01 or as JSON. Which segment and member says what: docs/hl7.md.
 * Patient data: never logged. Threads: any; a report belongs to its owner. */
#ifndef RADPOST_DESK_HIS_REPORT_H
#define RADPOST_DESK_HIS_REPORT_H

#include "gateway/desk/his_book.h"
#include "gateway/desk/orders.h"
#include "proto/base/buf.h"
#include "proto/hl7/hl7.h"

struct json_doc;

struct his_report {
    int64_t read;
    int64_t filler; /* the read under whose number the target hears of the study: the first one's */
    uint32_t version, covers, present;
    bool is_withdrawal, is_preliminary;
    bool is_correction; /* a final one was signed before; or this target has that of a read that a
                         * database signed which is gone */
    int64_t signed_at_us;
    char author[CLINIC_NAME_SIZE], reviewer[CLINIC_NAME_SIZE], hospital[CLINIC_NAME_SIZE];
    char verify_url[CLINIC_URL_SIZE], reason[CLINIC_REASON_SIZE];
    char study[CLINIC_UID_SIZE], registration[CLINIC_REGISTRATION_SIZE];
    char patient[CLINIC_NAME_SIZE], modality[17];
    bool has_order;
    struct order order;   /* of the study or the registration; has_order false: empty */
    struct json_doc *doc; /* the signed report; NULL: a withdrawal that came without one */
    const char *exam, *findings, *impression; /* never NULL */
    uint8_t *text, *pdf;                      /* as fetched; NULL: not wanted */
    size_t text_n, pdf_n;
};

/* has_pdf: with its PDF as it stands now.
 * errors  ERR_RETRY something of it is not here yet; ERR_NOT_FOUND; ERR_REJECT what was signed
 *         names another patient than the order (HIS_ANOTHER_PATIENT), and nobody has looked yet */
int his_report_get(struct book *book, const struct his_delivery *d, bool has_pdf,
                   struct his_report *out, struct err *err) MUST_CHECK;
/* Would it be refused for HIS_ANOTHER_PATIENT? What cannot be gathered is not: sending says why. */
bool his_report_is_held(struct book *book, const struct his_delivery *d);
void his_report_fini(struct his_report *r);

/* OBR-25: "F" "P" "C". */
const char *his_report_status(const struct his_report *r);
/* "report-12-v2", "report-12-v2-withdrawn": nothing of a patient. */
void his_report_name(const struct his_report *r, char out[64]);

/* ORU^R01 in UTF-8; hl7_encode() before it goes. */
void his_report_hl7(const struct his_report *r, const struct hl7_head *head, struct buf *out);
/* pdf_name: of the PDF's file beside it; NULL: none. */
void his_report_json(const struct his_report *r, const char *pdf_name, struct buf *out);

#endif
