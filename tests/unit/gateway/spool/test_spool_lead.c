/* test_spool_lead.c - who makes an instance durable: a reception that meets nobody at work does it
 * itself, one of many leaves it to who has the lead. Neither may change what is kept. */
#include "gateway/spool/spool.h"

#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/trust/digest.h"
#include "tests/support/spool_fixture.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define OK(call) assert_int_equal(call, 0)

/* About a block, about what the disk begins with before the sum is made, about a draft's memory. */
static const size_t sizes[] = {1,     3071,  3072,   3073,          4096,    65535,        65536,
                               65537, 68608, 526000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1};
enum { SIZES = ARRAY_LEN(sizes), SENDERS = 8 };

struct sender {
    struct spool *sp;
    unsigned seed;
    bool makes_arrows;
    uint64_t ids[SIZES];
    pthread_t thread;
};

static void
must(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "%s\n", err->text);
    abort();
}

static uint64_t
put(struct spool *sp, size_t n, unsigned seed)
{
    struct spool_meta meta = {.sop_instance = "1.2.3", .calling_ae = "CT1"};
    struct spool_draft *draft = NULL;
    uint8_t *bytes = fixture_bytes(n, seed);
    struct err err = {0};
    uint64_t id = 0;

    must(spool_draft_begin(sp, &meta, &draft, &err), &err);
    for (size_t at = 0; at < n; at += 100000)
        must(spool_draft_write(draft, bytes + at, n - at < 100000 ? n - at : 100000, &err), &err);
    must(spool_commit(sp, &draft, &id, &err), &err);
    free(bytes);
    return id;
}

static void *
send_all(void *arg)
{
    struct sender *s = arg;
    struct spool_inspection facts = {.series_uid = "1.8", .study_uid = "1.9"};
    struct err err = {0};

    for (unsigned i = 0; i < SIZES; i++) {
        s->ids[i] = put(s->sp, sizes[i], s->seed + i);
        if (s->makes_arrows)
            must(spool_set_inspected(s->sp, s->ids[i], &facts, &err), &err);
    }
    return NULL;
}

static void
assert_kept(struct spool_fixture *f, const struct sender *s)
{
    struct err err = {0};

    for (unsigned i = 0; i < SIZES; i++) {
        uint8_t *bytes = fixture_bytes(sizes[i], s->seed + i), sha256[DIGEST_BYTES];
        struct spool_entry *e = NULL;

        fixture_assert_bytes(f, s->ids[i], sizes[i], s->seed + i);
        OK(spool_load(f->sp, s->ids[i], &e, &err));
        digest_bytes(bytes, sizes[i], sha256);
        assert_memory_equal(e->received_sha256, sha256, DIGEST_BYTES);
        spool_entry_free(&e);
        free(bytes);
    }
}

/* All that is known is read from the segments anew: headers, digests, checksums. */
static void
lose_the_journal(struct spool_fixture *f)
{
    char path[PATH_MAX];
    struct dirent *d;
    struct err err = {0};
    DIR *dir;

    spool_close(&f->sp);
    snprintf(path, sizeof path, "%s/journal", f->dir);
    dir = opendir(path);
    assert_non_null(dir);
    while ((d = readdir(dir)) != NULL)
        if (d->d_name[0] != '.')
            OK(unlinkat(dirfd(dir), d->d_name, 0));
    closedir(dir);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_int_equal(fixture_files_in(f, "corrupt"), 0);
}

static void
what_came_alone_is_kept_as_it_came(void **state)
{
    struct spool_fixture *f = *state;
    struct sender alone = {.sp = f->sp, .seed = 1};

    send_all(&alone);
    assert_kept(f, &alone);
    lose_the_journal(f);
    assert_kept(f, &alone);
}

static void
what_came_among_others_is_kept_as_it_came(void **state)
{
    struct spool_fixture *f = *state;
    struct sender senders[SENDERS] = {0};

    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] =
            (struct sender){.sp = f->sp, .seed = 1 + i * SIZES, .makes_arrows = i % 2 != 0};
        senders[i].thread = thread_start("sender", send_all, &senders[i]);
    }
    for (unsigned i = 0; i < SENDERS; i++)
        thread_join(senders[i].thread);
    for (unsigned i = 0; i < SENDERS; i++)
        assert_kept(f, &senders[i]);
    lose_the_journal(f);
    for (unsigned i = 0; i < SENDERS; i++)
        assert_kept(f, &senders[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_came_alone_is_kept_as_it_came, spool_fixture_setup,
                                        spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_came_among_others_is_kept_as_it_came,
                                        spool_fixture_setup, spool_fixture_teardown),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
