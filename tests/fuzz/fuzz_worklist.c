/* fuzz_worklist.c - hostile worklist identifiers: read, matched and answered in every character
 * set. */
#include "gateway/desk/worklist.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/dicom/walk.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* What we answer is a data set, whatever was asked. */
static void
check_answer(const struct buf *b, enum dcm_coding coding)
{
    struct dcm_walk walk;
    struct dcm_element e;
    struct err err;

    dcm_walk_init(&walk, b->bytes, b->n, coding, DCM_WALK_WHOLE);
    do
        CHECK(dcm_walk_next(&walk, &e, &err) == 0);
    while (e.event != DCM_END);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const enum dcm_coding codings[] = {DCM_IMPLICIT_LE, DCM_EXPLICIT_LE};
    static struct order order = {.number = 7,
                                 .accession = "A-100",
                                 .patient_id = "P1",
                                 .name =
                                     "\xE7\x8E\x8B\xE7\x8E\x95", /* its last byte in GBK is 5C */
                                 .pinyin = "Wang^Gan",
                                 .modality = "CT",
                                 .procedure_id = "P7",
                                 .code = "01",
                                 .study = "2.25.1",
                                 .birth = "19491231"};
    static struct worklist_query query;
    struct err err;

    log_set_fd(-1);
    for (size_t c = 0; c < ARRAY_LEN(codings); c++)
        for (int shows = 0; shows < DCM_SHOWS; shows++) {
            struct worklist_asker asker = {"CT_1", "", (enum dcm_shows)shows};
            struct dcm_writer w;
            struct buf out;
            const char *profile = dcm_shows_profile((enum dcm_shows)shows);

            if (worklist_query_read(bytes, n, codings[c], profile, &query, &err) < 0)
                continue;
            (void)worklist_matches(&order, &query, &asker, 0);
            buf_init(&out, 1 << 20);
            dcm_write_init(&w, &out, codings[c]);
            worklist_write(&w, &order, &query, &asker);
            CHECK(!buf_is_over(&out));
            check_answer(&out, codings[c]);
            buf_fini(&out);
            worklist_query_fini(&query);
        }
    return 0;
}
