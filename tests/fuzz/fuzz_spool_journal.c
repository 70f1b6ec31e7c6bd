/* fuzz_spool_journal.c - replay over a hostile journal. The first byte says whether frames are made
 * right first, so that the bodies behind their checksums are reached too. */
#include "gateway/spool/journal.h"

#include "proto/base/log.h"
#include "proto/base/zip.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER 52u
#define FRAME 32u

/* Frames as their lengths lay them out, one after another. */
static void
make_right(uint8_t *bytes, size_t n)
{
    size_t at = HEADER;

    if (n < HEADER)
        return;
    memcpy(bytes, "RPJNL\r\n\x1a\x01\0", 10);
    le32_write(bytes + 48, zip_crc32(0, bytes, 48));
    while (n - at > FRAME) {
        size_t room = n - at - FRAME, k = le32_read(bytes + at) % 1024 + 1;

        k = k < room ? k : room;
        le32_write(bytes + at, (uint32_t)k);
        memcpy(bytes + at + 8, bytes + 32, 8);
        le64_write(bytes + at + 16, at);
        le32_write(bytes + at + 4,
                   zip_crc32(zip_crc32(0, bytes + at + 8, 24), bytes + at + FRAME, k));
        at += FRAME + k;
    }
}

static void
check_ledger(struct ledger *l)
{
    uint64_t total = 0;

    for (int i = 0; i < INSTANCE_STATES; i++)
        total += l->counts[i];
    CHECK(total == l->n);
    for (size_t i = 1; i < l->n; i++)
        CHECK(l->entries[i - 1]->r.id < l->entries[i]->r.id);
    while (l->n > 0)
        ledger_drop(l, l->entries[l->n / 2]->r.id);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct journal_facts facts = {0};
    struct journal_replay replay;
    struct ledger ledger;
    struct err err;
    uint8_t *bytes;
    int fd;

    log_set_fd(-1);
    if (size < 1 || size > 1 << 18)
        return 0;
    bytes = mem_new(size);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] & 1)
        make_right(bytes, size - 1);
    ledger_init(&ledger);
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, bytes, size - 1) == (ssize_t)(size - 1) &&
        journal_replay(fd, &ledger, &facts, &replay, &err) == 0)
        check_ledger(&ledger);
    if (fd >= 0)
        close(fd);
    journal_facts_fini(&facts);
    ledger_fini(&ledger);
    free(bytes);
    return 0;
}
