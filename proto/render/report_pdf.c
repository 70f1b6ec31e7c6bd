/* report_pdf.c - reports on paper. */
#include "proto/render/report_pdf.h"

int
report_pdf(const struct pdf_report *report, struct buf *out, unsigned *out_pages, struct err *err)
{
    (void)report;
    (void)out;
    (void)out_pages;
    return err_set(err, ERR_FATAL, "report pdf: not built yet");
}

void
report_pdf_person_name(const char *pn, char *out, size_t size)
{
    (void)pn;
    if (size > 0)
        out[0] = '\0';
}
