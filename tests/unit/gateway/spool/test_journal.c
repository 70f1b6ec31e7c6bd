/* test_journal.c - the journal: replayed as written, a torn end forgiven, damage told and stepped
 * over. */
#include "gateway/spool/journal.h"
#include "gateway/spool/journal_body.h"
#include "gateway/spool/ledger.h"

#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/reserve.h"
#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#define OK(call) assert_int_equal(call, 0)

static struct err err;

/* A disk that others filled: who wants more has what the reserve gave up since, and no more. */
static struct {
    bool is_full;
    char reserve[FOLDER_PATH_BYTES + 16];
    off_t given;
} room;

int
posix_fallocate(int fd, off_t from, off_t n)
{
    struct stat st = {.st_size = 0};

    if (room.is_full) {
        if (stat(room.reserve, &st) < 0 || st.st_size >= room.given)
            return ENOSPC;
        room.given = st.st_size;
    }
    return syscall(SYS_fallocate, fd, 0, from, n) < 0 ? errno : 0;
}

struct written {
    char dir[FOLDER_PATH_BYTES];
    struct journal *j;
    int fd; /* to look at and to scratch */
};

static void
add_number(struct written *w, uint64_t value)
{
    struct buf b;

    buf_init(&b, JOURNAL_BODY_BYTES);
    journal_body_number(&b, "cursor", value);
    OK(journal_append(w->j, b.bytes, b.n, &err));
    OK(journal_sync(w->j, &err));
    buf_fini(&b);
}

static struct written
begin(void)
{
    struct written w = {.fd = -1};
    struct buf snapshot, body;
    char path[FOLDER_PATH_BYTES + 64];
    bool is_replaced;

    folder_make("journal", w.dir);
    snprintf(path, sizeof path, "%s/tmp", w.dir);
    OK(mkdir(path, 0700));
    snprintf(path, sizeof path, "%s/journal", w.dir);
    OK(mkdir(path, 0700));
    buf_init(&snapshot, 1 << 20);
    buf_init(&body, 1 << 20);
    journal_body_snapshot_end(&body, 100, 9);
    buf_add_le32(&snapshot, (uint32_t)body.n);
    buf_add(&snapshot, body.bytes, body.n);
    OK(journal_create(w.dir, 3, &snapshot, &w.j, &is_replaced, &err));
    snprintf(path, sizeof path, "%s/journal/0000000000000003.jnl", w.dir);
    w.fd = open(path, O_RDWR);
    assert_true(w.fd >= 0);
    buf_fini(&body);
    buf_fini(&snapshot);
    return w;
}

static void
end(struct written *w)
{
    journal_close(&w->j);
    close(w->fd);
    folder_remove(w->dir);
}

/* The value of the cursor after a replay. */
static uint64_t
replay(struct written *w, bool *out_is_damaged)
{
    struct ledger l;
    struct journal_facts facts = {0};
    struct journal_replay found;
    uint64_t *at, value;

    ledger_init(&l);
    OK(journal_replay(w->fd, &l, &facts, &found, &err));
    at = ledger_number(&l, "cursor", false);
    value = at != NULL ? *at : 0;
    *out_is_damaged = found.is_damaged;
    assert_int_equal(found.number, 3);
    journal_facts_fini(&facts);
    ledger_fini(&l);
    return value;
}

/* Scratch the n-th record (from 0) that names the cursor. */
static void
scratch(struct written *w, int n)
{
    uint8_t all[4096];
    uint8_t *at = all;

    OK(durable_read_at(w->fd, all, sizeof all, 0, &err));
    for (int i = 0; i <= n; i++) {
        at = memmem(i == 0 ? at : at + 1, (size_t)(all + sizeof all - at - 1), "cursor", 6);
        assert_non_null(at);
    }
    OK(durable_write_at(w->fd, "C", 1, (uint64_t)(at - all), &err));
}

static void
what_was_appended_is_replayed(void **state)
{
    struct written w = begin();
    bool is_damaged;

    (void)state;
    for (uint64_t v = 1; v <= 5; v++)
        add_number(&w, v);
    assert_int_equal(replay(&w, &is_damaged), 5);
    assert_false(is_damaged);
    end(&w);
}

static void
a_torn_end_is_forgiven(void **state)
{
    struct written w = begin();
    bool is_damaged;

    (void)state;
    for (uint64_t v = 1; v <= 5; v++)
        add_number(&w, v);
    scratch(&w, 4);
    assert_int_equal(replay(&w, &is_damaged), 4);
    assert_false(is_damaged);
    end(&w);
}

static void
damage_is_told_and_stepped_over(void **state)
{
    struct written w = begin();
    bool is_damaged;

    (void)state;
    for (uint64_t v = 1; v <= 5; v++)
        add_number(&w, v);
    scratch(&w, 2);
    assert_int_equal(replay(&w, &is_damaged), 5);
    assert_true(is_damaged);
    end(&w);
}

#define MINOR_1_BYTES (4 + 32 + 32 + 1 + 8 + 8) /* what it added to this entry: "stranger" is 8 */
#define MINOR_3_BYTES (4 + 4)

/* A record with every field set that an entry holds. */
static struct record
full_record(struct ledger *l)
{
    struct record r;

    ledger_record_init(&r);
    r.id = 77;
    r.state = INSTANCE_LOOKED;
    r.is_inspected = true;
    r.study_uid = ledger_word(l, "1.9");
    r.sop_instance = ledger_word(l, "1.2.3");
    r.last_error = ledger_word(l, "words");
    r.received = (struct place){.segment = 4, .offset = 4096, .object_size = 12};
    r.coded = (struct place){.segment = 5, .offset = 8192, .object_size = 7, .recipe_n = 3};
    memset(r.pixels_sha256, 9, 32);
    r.revision = 2;
    r.receipt_seq = 41;
    r.at_us[INSTANCE_LOOKED] = 123456789;
    r.is_paused = true;
    r.doubts = 5;
    memset(r.identity_sha256, 11, 32);
    memset(r.rest_sha256, 12, 32);
    r.quarantine = ledger_word(l, "stranger");
    r.done_age_ms = 99;
    r.is_wanted = true;
    r.is_lost = true;
    r.discard_reason = ledger_word(l, "other");
    r.discarded_by = ledger_word(l, "li.wei");
    r.left = 1;
    r.stale = 3;
    return r;
}

static void
an_entry_comes_back_field_by_field(void **state)
{
    size_t minor_0_n, minor_1_n, minor_2_n;
    struct ledger l;
    struct record r;
    struct entry *e;
    struct buf b;

    (void)state;
    ledger_init(&l);
    r = full_record(&l);
    buf_init(&b, JOURNAL_BODY_BYTES);
    journal_body_entry(&b, &r);
    minor_2_n = b.n - MINOR_3_BYTES;
    minor_1_n = minor_2_n - 2 - strlen("other") - strlen("li.wei");
    minor_0_n = minor_1_n - MINOR_1_BYTES;

    assert_true(journal_apply(&l, b.bytes, b.n, NULL));
    e = ledger_find(&l, 77);
    assert_non_null(e);
    assert_int_equal(e->r.state, INSTANCE_LOOKED);
    assert_string_equal(e->study->uid, "1.9");
    assert_string_equal(e->r.last_error, "words");
    assert_memory_equal(&e->r.coded, &r.coded, sizeof r.coded);
    assert_int_equal(e->r.at_us[INSTANCE_LOOKED], 123456789);
    assert_true(e->r.is_paused);
    assert_int_equal(l.paused, 1);
    assert_int_equal(e->r.doubts, 5);
    assert_memory_equal(e->r.identity_sha256, r.identity_sha256, 32);
    assert_memory_equal(e->r.rest_sha256, r.rest_sha256, 32);
    assert_string_equal(e->r.quarantine, "stranger");
    assert_int_equal(e->r.done_age_ms, 99);
    assert_true(e->r.is_wanted);
    assert_true(e->r.is_lost);
    assert_int_equal(l.lost, 1);
    assert_int_equal(e->study->lost, 1);
    assert_string_equal(e->r.discard_reason, "other");
    assert_string_equal(e->r.discarded_by, "li.wei");
    assert_int_equal(e->r.revision, 2);
    assert_int_equal(e->r.left, 1);
    assert_int_equal(e->r.stale, 3);
    assert_ptr_equal(ledger_instance(&l, "1.2.3"), e);
    assert_int_equal(l.next_id, 78);
    for (size_t n = 0; n < b.n;
         n++) /* cut anywhere, it is refused whole; but so older minors end */
        if (n != minor_0_n && n != minor_1_n && n != minor_2_n)
            assert_false(journal_apply(&l, b.bytes, n, NULL));
    assert_true(journal_apply(&l, b.bytes, minor_2_n, NULL));
    e = ledger_find(&l, 77);
    assert_string_equal(e->r.discarded_by, "li.wei");
    assert_int_equal(e->r.left, 1); /* what lists said of it stays */
    assert_true(journal_apply(&l, b.bytes, minor_1_n, NULL));
    e = ledger_find(&l, 77);
    assert_int_equal(e->r.doubts, 5);
    assert_string_equal(e->r.discard_reason, "");
    assert_true(journal_apply(&l, b.bytes, minor_0_n, NULL));
    e = ledger_find(&l, 77);
    assert_int_equal(e->r.at_us[INSTANCE_LOOKED], 123456789);
    assert_int_equal(e->r.doubts, 0);
    assert_string_equal(e->r.quarantine, "");
    buf_fini(&b);
    ledger_fini(&l);
}

static void
a_manifest_lists_some_and_drops_others_or_is_refused_whole(void **state)
{
    const uint64_t news[] = {3}, leaving[] = {1, 2};
    struct journal_list first = {.news = leaving, .news_n = 2};
    struct journal_list list = {news, 1, leaving, 2};
    size_t minor_2_n = 0;
    struct ledger l;
    struct buf b;

    (void)state;
    ledger_init(&l);
    for (uint64_t id = 1; id <= 3; id++) {
        struct record r;

        ledger_record_init(&r);
        r.id = id;
        r.state = id == 1 ? INSTANCE_DISCARDED : INSTANCE_PLAIN;
        r.is_inspected = true;
        r.study_uid = ledger_word(&l, "1.9");
        ledger_put(&l, &r);
    }
    buf_init(&b, JOURNAL_BODY_BYTES);
    journal_body_manifest(&b, "1.9", 1, 5, &first);
    assert_true(journal_apply(&l, b.bytes, b.n, NULL));
    assert_int_equal(ledger_study(&l, "1.9")->leaving, 1);
    assert_int_equal(ledger_study(&l, "1.9")->unlisted, 1);
    buf_fini(&b);
    buf_init(&b, JOURNAL_BODY_BYTES);
    journal_body_manifest(&b, "1.9", 2, 6, &list);
    minor_2_n = b.n - 4 - 8 * ARRAY_LEN(leaving);
    for (size_t n = 0; n < b.n; n++)
        if (n != minor_2_n) /* so an older one ends */
            assert_false(journal_apply(&l, b.bytes, n, NULL));
    assert_int_equal(ledger_study(&l, "1.9")->revision, 1);
    assert_true(journal_apply(&l, b.bytes, b.n, NULL));

    assert_int_equal(ledger_study(&l, "1.9")->revision, 2);
    assert_int_equal(ledger_study(&l, "1.9")->leaving, 0);
    assert_false(record_is_on_list(&ledger_find(&l, 1)->r));
    assert_int_equal(ledger_study(&l, "1.9")->unlisted, 1); /* 2 is due again, 3 is listed */
    assert_true(record_is_on_list(&ledger_find(&l, 3)->r));
    buf_fini(&b);
    ledger_fini(&l);
}

static void
counts_follow_every_put_and_drop(void **state)
{
    struct ledger l;
    struct record r;

    (void)state;
    ledger_init(&l);
    for (uint64_t id = 1; id <= 10; id++) {
        ledger_record_init(&r);
        r.id = id;
        r.received.object_size = 100;
        ledger_put(&l, &r);
        r.state = INSTANCE_INSPECTED;
        r.is_inspected = true;
        r.study_uid = ledger_word(&l, id % 2 ? "1.1" : "1.2");
        ledger_put(&l, &r);
    }
    assert_int_equal(l.counts[INSTANCE_RECEIVED], 0);
    assert_int_equal(l.counts[INSTANCE_INSPECTED], 10);
    assert_int_equal(ledger_study(&l, "1.1")->total, 5);
    assert_int_equal(ledger_study(&l, "1.1")->bytes, 500);
    assert_int_equal(ledger_study(&l, "1.1")->unlisted, 5);
    for (uint64_t id = 1; id <= 9; id++)
        ledger_drop(&l, id);
    assert_null(ledger_study(&l, "1.1"));
    assert_int_equal(ledger_study(&l, "1.2")->total, 1);
    ledger_fini(&l);
}

/* What became of an image could not be noted any more, so that none was forgotten, and the disk
 * stayed full; after a restart nothing was even sent. */
static void
on_a_full_disk_a_journal_grows_and_another_begins_while_the_reserve_lasts(void **state)
{
    struct written w = begin();
    struct journal *next = NULL;
    struct buf snapshot, body;
    bool is_replaced;

    (void)state;
    reserve_make(w.dir, 3 << 20);
    snprintf(room.reserve, sizeof room.reserve, "%s/reserve", w.dir);
    room.given = 3 << 20;
    room.is_full = true;
    buf_init(&snapshot, 1 << 20);
    buf_init(&body, 1 << 20);
    journal_body_snapshot_end(&body, 100, 9);
    buf_add_le32(&snapshot, (uint32_t)body.n);
    buf_add(&snapshot, body.bytes, body.n);

    OK(journal_create(w.dir, 4, &snapshot, &next, &is_replaced, &err));
    journal_close(&next);
    while (journal_room(w.j) < 2 << 20)
        for (uint64_t i = 0; i < 1000; i++)
            OK(journal_append(w.j, body.bytes, body.n, &err));
    assert_int_equal(journal_create(w.dir, 5, &snapshot, &next, &is_replaced, &err), 0);
    journal_close(&next);
    assert_int_equal(journal_create(w.dir, 6, &snapshot, &next, &is_replaced, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);

    room.is_full = false;
    buf_fini(&body);
    buf_fini(&snapshot);
    end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_full_disk_a_journal_grows_and_another_begins_while_the_reserve_lasts),
        cmocka_unit_test(what_was_appended_is_replayed),
        cmocka_unit_test(a_torn_end_is_forgiven),
        cmocka_unit_test(damage_is_told_and_stepped_over),
        cmocka_unit_test(an_entry_comes_back_field_by_field),
        cmocka_unit_test(a_manifest_lists_some_and_drops_others_or_is_refused_whole),
        cmocka_unit_test(counts_follow_every_put_and_drop),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
