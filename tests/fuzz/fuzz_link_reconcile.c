/* fuzz_link_reconcile.c - what gateway and centre compare, from bytes a peer may send. The first
 * byte chooses which document; what decodes must encode and decode again, and be reckoned with. */
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/link/reconcile.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
days_again(const uint8_t *bytes, size_t n)
{
    struct link_days days, again;
    struct buf text;
    struct err err;

    if (link_days_decode(bytes, n, &days, &err) < 0)
        return;
    buf_init(&text, LIMIT_HTTP_JSON_BYTES);
    link_days_encode(&days, &text);
    CHECK(link_days_decode(text.bytes, text.n, &again, &err) == 0 && again.count == days.count);
    for (size_t i = 0; i < days.count; i++)
        CHECK(link_day_is_same(&days.days[i], &again.days[i]));
    link_days_free(&again);
    link_days_free(&days);
    buf_fini(&text);
}

static void
studies_again(const uint8_t *bytes, size_t n)
{
    struct link_studies studies, again;
    struct link_days days;
    struct buf text;
    struct err err;

    if (link_studies_decode(bytes, n, &studies, &err) < 0)
        return;
    buf_init(&text, LIMIT_HTTP_JSON_BYTES);
    link_studies_encode(&studies, &text);
    CHECK(link_studies_decode(text.bytes, text.n, &again, &err) == 0);
    CHECK(again.count == studies.count);
    for (size_t i = 0; i < studies.count; i++)
        CHECK(link_study_is_same(&studies.studies[i], &again.studies[i]));
    link_days_reckon(studies.studies, studies.count, &days);
    CHECK(days.count <= studies.count);
    link_days_free(&days);
    link_studies_free(&again);
    link_studies_free(&studies);
    buf_fini(&text);
}

static void
objects_again(const uint8_t *bytes, size_t n)
{
    struct link_objects objects, again;
    struct buf text;
    struct err err;

    if (link_objects_decode(bytes, n, &objects, &err) < 0)
        return;
    buf_init(&text, LIMIT_HTTP_JSON_BYTES);
    link_objects_encode(&objects, &text);
    CHECK(link_objects_decode(text.bytes, text.n, &again, &err) == 0);
    CHECK(again.count == objects.count &&
          memcmp(again.objects, objects.objects, objects.count * LINK_HASH_BYTES) == 0);
    link_objects_free(&again);
    link_objects_free(&objects);
    buf_fini(&text);
}

static void
reconciled_again(const uint8_t *bytes, size_t n)
{
    struct link_reconciled done, again;
    struct buf text;
    struct err err;

    if (link_reconciled_decode(bytes, n, &done, &err) < 0)
        return;
    buf_init(&text, LIMIT_HTTP_JSON_BYTES);
    link_reconciled_encode(&done, &text);
    CHECK(link_reconciled_decode(text.bytes, text.n, &again, &err) == 0);
    CHECK(again.count == done.count && again.lost == done.lost && again.at_us == done.at_us);
    link_reconciled_free(&again);
    link_reconciled_free(&done);
    buf_fini(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    log_set_fd(-1);
    if (n == 0)
        return 0;
    switch (bytes[0] % 4) {
    case 0:
        days_again(bytes + 1, n - 1);
        break;
    case 1:
        studies_again(bytes + 1, n - 1);
        break;
    case 2:
        objects_again(bytes + 1, n - 1);
        break;
    default:
        reconciled_again(bytes + 1, n - 1);
        break;
    }
    return 0;
}
