/* fuzz_import_sidecar.c - a sidecar of the import inbox, with and without a true checksum: what is
 * read can be written and is read back the same. */
#include "gateway/import/import_own.h"
#include "proto/base/log.h"
#include "proto/trust/digest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
read_back(const struct import_item *item)
{
    struct import_item *again = mem_new(sizeof *again);
    struct buf b;
    struct err err;

    buf_init(&b, 64 << 10);
    item_write(item, &b);
    if (buf_is_over(&b) || item_read(b.bytes, b.n, again, &err) < 0 ||
        strcmp(again->name, item->name) != 0 || again->state != item->state ||
        again->entry != item->entry)
        abort();
    buf_fini(&b);
    free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct import_item *item = mem_new(sizeof *item);
    uint8_t sha256[DIGEST_BYTES];
    char hex[DIGEST_HEX_BYTES];
    struct buf b;
    struct err err;

    log_set_fd(-1);
    if (item_read(data, n, item, &err) == 0)
        read_back(item);
    buf_init(&b, 1 << 20);
    buf_add(&b, data, n);
    digest_bytes(b.bytes, b.n, sha256);
    digest_text(sha256, hex);
    buf_add_printf(&b, "end=%s\n", hex);
    if (item_read(b.bytes, b.n, item, &err) == 0)
        read_back(item);
    buf_fini(&b);
    free(item);
    return 0;
}
