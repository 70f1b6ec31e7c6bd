/* wrap_pdf.c - a PDF as Encapsulated PDF (PS3.3 A.45.1). Its bytes are not looked into beyond begin
 * and end: who shows it does so in a cage of its own. */
#include "proto/dicom/wrap_parts.h"

#include "proto/dicom/syntax.h"

#include <stdio.h>
#include <string.h>

enum { END_BYTES = 2048 };

/* Is there such a word in the last bytes? */
static bool
ends_with(const uint8_t *bytes, size_t n, const char *word)
{
    size_t from = n > END_BYTES ? n - END_BYTES : 0;

    return memmem(bytes + from, n - from, word, strlen(word)) != NULL;
}

int
wrap_pdf_read(const uint8_t *bytes, size_t n, struct err *err)
{
    while (n > 0 && bytes[n - 1] == 0) /* filled up to a whole block by who wrote it */
        n--;
    if (!ends_with(bytes, n, "%%EOF") || !ends_with(bytes, n, "startxref"))
        return err_set(err, ERR_RETRY, "PDF: ends early");
    return 0;
}

int
wrap_pdf_plan(const struct wrap_identity *identity, const struct wrap_source *source,
              struct wrap_plan *plan, struct wrap_set *s, struct err *err)
{
    const struct wrap_series series = {.sop_class = WRAP_CLASS_PDF,
                                       .transfer_syntax = DCM_UID_EXPLICIT_LE,
                                       .modality = "DOC",
                                       .description = "导入的 PDF",
                                       .key = "pdf",
                                       .number = 9501,
                                       .at = "",
                                       .maker = "",
                                       .model = ""};
    struct buf *head = &plan->head;

    if (wrap_pdf_read(source->bytes, source->n, err) < 0 ||
        wrap_common(identity, source, &series, plan, s, err) < 0)
        return -1;
    if (source->n > UINT32_MAX - 2)
        return err_set(err, ERR_REJECT, "PDF: longer than 4 GiB");
    wrap_text(s, 0x0008002A, "DT", "");
    wrap_text(s, 0x00080064, "CS", "DI");
    wrap_text(s, 0x00280301, "CS", "YES"); /* it may name the patient */
    wrap_empty_sequence(s, 0x0040A043);
    wrap_text(s, 0x00420010, "ST", "");
    wrap_text(s, 0x00420012, "LO", "application/pdf");
    wrap_u32(s, 0x00420015, (uint32_t)source->n); /* without the pad byte */
    wrap_set_take(s, 0, 0x00420011, head);
    buf_add_le16(head, 0x0042);
    buf_add_le16(head, 0x0011);
    buf_add(head, "OB\0", 4);
    buf_add_le32(head, (uint32_t)(source->n + source->n % 2));
    if (source->n % 2 != 0)
        buf_add_u8(&plan->tail, 0);
    wrap_set_take(s, 0x00420012, UINT32_MAX, &plan->tail);
    plan->has_body = true;
    return 0;
}
