/* fuzz_zipfile.c - a ZIP from outside: what comes out of it is whole, within its limit. */
#include "proto/base/log.h"
#include "proto/base/zipfile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf out;
    struct err err;

    log_set_fd(-1);
    buf_init(&out, 65536);
    if (zipfile_get(data, n, "report.json", &out, &err) == 0 &&
        (buf_is_over(&out) || out.n > 65536))
        abort();
    buf_fini(&out);
    return 0;
}
