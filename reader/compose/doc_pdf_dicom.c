/* doc_pdf_dicom.c - a report's PDF as a DICOM object. */
#include "reader/compose/doc.h"

int
doc_pdf_dicom(const struct doc_report *report, const struct doc_pdf *pdf, struct buf *out,
              struct err *err)
{
    (void)report;
    (void)pdf;
    (void)out;
    return err_set(err, ERR_FATAL, "PDF object: not built yet");
}
