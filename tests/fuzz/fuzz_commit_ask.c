/* fuzz_commit_ask.c - hostile N-ACTION data sets of Storage Commitment in both codings, and the
 * same bytes as a transaction's file. What is read is written and read again the same. */
#include "gateway/serve/commit_file.h"
#include "proto/base/log.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
check_ask(const uint8_t *bytes, size_t n, enum dcm_coding coding)
{
    struct commit_ask ask, again;
    struct err err;
    uint16_t status;
    struct buf b;

    if (commit_ask_read(bytes, n, coding, &ask, &status, &err) < 0) {
        CHECK(status != 0);
        return;
    }
    CHECK(ask.n > 0 && ask.n <= COMMIT_REFS_MOST);
    for (size_t i = 0; i < ask.n; i++)
        ask.refs[i].verdict = 0;
    buf_init(&b, 64u << 20);
    CHECK(commit_event_write(&b, coding, ask.transaction, ask.refs, ask.n) == COMMIT_EVENT_SUCCESS);
    CHECK(commit_ask_read(b.bytes, b.n, coding, &again, &status, &err) == 0);
    CHECK(again.n == ask.n && strcmp(again.transaction, ask.transaction) == 0);
    for (size_t i = 0; i < ask.n; i++)
        CHECK(strcmp(again.refs[i].sop_instance, ask.refs[i].sop_instance) == 0);
    commit_ask_fini(&again);
    commit_ask_fini(&ask);
    buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct commit *c = NULL;
    struct err err;

    log_set_fd(-1);
    check_ask(bytes, n, DCM_IMPLICIT_LE);
    check_ask(bytes, n, DCM_EXPLICIT_LE);
    if (commit_read(bytes, n, &c, &err) == 0)
        commit_free(&c);
    return 0;
}
