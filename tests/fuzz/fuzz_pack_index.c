/* fuzz_pack_index.c - a pack's end and index, and a landing map: files that may be damaged. */
#include "proto/base/log.h"
#include "storage/keep/landing_file.h"
#include "storage/keep/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const uint64_t file_size = 1 << 20;
    static const uint8_t object[32];
    struct pack_index index;
    struct pack_end end;
    struct ranges have = {0};
    struct err err;
    size_t good;

    log_set_fd(-1);
    if (n >= PACK_END_BYTES && pack_end_read(bytes, file_size, &end, &err) == 0)
        CHECK(end.index_at <= file_size && end.index_size <= file_size - end.index_at);
    if (pack_index_read(bytes, n, file_size, &index, &err) == 0) {
        for (size_t i = 0; i < index.count; i++)
            CHECK(index.entries[i].at <= file_size &&
                  index.entries[i].size <= file_size - index.entries[i].at);
        pack_index_free(&index);
    }
    landing_map_read(bytes, n, object, n > 16 ? bytes[8] : 0, &have, &good);
    CHECK(good <= n);
    ranges_fini(&have);
    return 0;
}
