/* fuzz_layout.c - whatever is read as a layout is in order and is written back to the same bytes.
 */
#include "proto/model/layout.h"

#include "proto/base/log.h"
#include "proto/base/zip.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct layout *l = NULL;
    struct err err = {0};
    uint8_t *copy;

    log_set_fd(-1);
    if (n < 4)
        return 0;
    copy = mem_new(n); /* the checksum is made right, or the fuzzer never gets past it */
    memcpy(copy, bytes, n);
    le32_write(copy + n - 4, zip_crc32(0, copy, n - 4));
    if (layout_read(copy, n, &l, &err) == 0) {
        struct buf b;
        struct range *ranges = NULL;
        size_t ranges_n;

        CHECK(layout_check(l, &err) == 0);
        buf_init(&b, n);
        layout_write(l, &b);
        CHECK(!buf_is_over(&b) && b.n == n && (copy[5] != 0 || memcmp(b.bytes, copy, n) == 0));
        layout_first_look(l, &ranges, &ranges_n);
        CHECK(layout_layers_within(l, 0, ranges, ranges_n) == (l->layers > 0 ? 1 : 0) ||
              l->layers > 0);
        free(ranges);
        buf_fini(&b);
        layout_free(&l);
    }
    free(copy);
    return 0;
}
