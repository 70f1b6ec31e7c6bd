/* doc_pdf_dicom.c - a report's PDF as Encapsulated PDF (PS3.3 A.45.1). */
#include "reader/compose/doc_parts.h"

#include "proto/base/text.h"
#include "proto/dicom/part10.h"

#include <string.h>

#define SERIES_NUMBER 9902
#define PDF_MAX ((size_t)64 << 20)

static void write_source(struct dcm_writer *w, const char *sr);

int
doc_pdf_dicom(const struct doc_report *report, const struct doc_pdf *pdf, struct buf *out,
              struct err *err)
{
    const struct doc_head head = {.sop_class = DOC_CLASS_PDF,
                                  .modality = "DOC",
                                  .series_description = "诊断报告 PDF",
                                  .conversion = "WSD",
                                  .series_number = SERIES_NUMBER};
    struct doc_times at;
    struct dcm_writer w;

    if (pdf->n < 5 || pdf->n > PDF_MAX || memcmp(pdf->bytes, "%PDF-", 5) != 0)
        return err_set(err, ERR_REJECT, "PDF object: %zu bytes that are no PDF", pdf->n);
    if (pdf->sr_sop_instance != NULL && !uid_is_valid(pdf->sr_sop_instance, true))
        return err_set(err, ERR_REJECT, "PDF object: its SR is not a UID");
    if (doc_vet(report, err) < 0 ||
        part10_head(out, DOC_CLASS_PDF, report->sop_instance, DOC_SYNTAX, NULL, err) < 0)
        return err_context(err, "PDF object");
    doc_times_make(report->signed_at_us, &at);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    doc_head_put(&w, report, &head, &at);
    dcm_write_text(&w, 0x00280301, "CS", "YES"); /* the patient's name stands in it */
    doc_code_put(&w, 0x0040A043, doc_title(report));
    doc_predecessors_put(&w, report, DOC_CLASS_PDF);
    dcm_write_text(&w, 0x0040A493, "CS", report->is_preliminary ? "UNVERIFIED" : "VERIFIED");
    dcm_write_text(&w, 0x00420010, "ST", "医学影像诊断报告");
    dcm_write_bytes(&w, 0x00420011, "OB", pdf->bytes, pdf->n);
    dcm_write_text(&w, 0x00420012, "LO", "application/pdf");
    if (pdf->sr_sop_instance != NULL)
        write_source(&w, pdf->sr_sop_instance);
    dcm_write_u32(&w, 0x00420015, (uint32_t)pdf->n); /* without the pad byte */
    return buf_is_over(out) ? err_set(err, ERR_REJECT, "PDF object: longer than its limit") : 0;
}

/* The SR with the same content. */
static void
write_source(struct dcm_writer *w, const char *sr)
{
    dcm_write_sequence_begin(w, 0x00420013);
    dcm_write_item_begin(w);
    doc_uid_put(w, 0x00081150, DOC_CLASS_SR);
    doc_uid_put(w, 0x00081155, sr);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
}
