/* fuzz_stow_answer.c - an archive's answers to STOW-RS and QIDO-RS: what is read names instances
 * within bounds, and is found again. The first byte says of which type it claims to be. */
#include "proto/base/log.h"

#include "gateway/plain/stow_answer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
give(void *user, const char *uid)
{
    *(size_t *)user += strlen(uid) + 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const types[] = {"application/dicom+json", "application/dicom+xml"};
    struct stow_answer answer = {NULL, 0};
    struct err err = {0};
    size_t matches = 0, given = 0;

    log_set_fd(-1);
    if (n == 0)
        return 0;
    if (stow_answer_read(types[bytes[0] % 2], bytes + 1, n - 1, &answer, &err) == 0) {
        CHECK(answer.n <= STOW_ROWS_MOST);
        for (size_t i = 0; i < answer.n; i++) {
            CHECK(answer.rows[i].sop_instance[0] != '\0');
            CHECK(strlen(answer.rows[i].sop_instance) < sizeof answer.rows[i].sop_instance);
            CHECK(stow_answer_find(&answer, answer.rows[i].sop_instance) != NULL);
        }
        stow_answer_fini(&answer);
    }
    if (stow_read_matches(bytes + 1, n - 1, give, &given, &matches, &err) == 0)
        CHECK(given == 0 || matches > 0);
    return 0;
}
