/* test_aside_watch.c - what the watch tells the audit log: what is not there, whoever did it; and
 * nothing of what a book of before noted. */
#include "gateway/desk/aside.h"

#include "gateway/spool/queue_door.h"
#include "gateway/spool/spool.h"
#include "proto/base/durable.h"
#include "proto/base/embed.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/trust/audit.h"
#include "tests/support/audit_log.h"
#include "tests/support/folder.h"
#include "tests/support/sick_folder.h"

#include <sqlite3.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[FOLDER_PATH_BYTES];
static struct spool *spool;
static struct book *book;
static struct audit *audit;
static struct aside_watch *watch;
static struct err err;

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

static int
start(void **state)
{
    struct spool_options options = {.keep_sealed_ms = -1};
    char path[FOLDER_PATH_BYTES + 16];

    (void)state;
    log_set_fd(-1);
    folder_make("aside", dir);
    snprintf(path, sizeof path, "%s/spool", dir);
    must(spool_open(path, &options, &spool, &err));
    snprintf(path, sizeof path, "%s/audit", dir);
    must(audit_open(path, "gateway", &audit, &err));
    return 0;
}

static void
close_book(void)
{
    aside_watch_free(&watch);
    book_close(&book);
}

static int
stop(void **state)
{
    (void)state;
    close_book();
    audit_close(&audit);
    spool_close(&spool);
    folder_remove(dir);
    return 0;
}

/* As a start does, with its first look. */
static void
look_anew(void)
{
    char path[FOLDER_PATH_BYTES + 16];
    bool is_restored;

    close_book();
    snprintf(path, sizeof path, "%s/desk", dir);
    must(book_open(path, "", &book, &err));
    watch = aside_watch_new(spool, book, audit);
    must(aside_watch_step(watch, &is_restored, &err));
}

static uint64_t
put_aside(const char *instance)
{
    struct spool_meta meta = {.calling_ae = "CT1"};
    struct spool_draft *draft = NULL;
    uint64_t id;

    text_copy(meta.sop_instance, sizeof meta.sop_instance, instance);
    must(spool_draft_begin(spool, &meta, &draft, &err));
    must(spool_draft_write(draft, "rubbish", 7, &err));
    must(spool_commit(spool, &draft, &id, &err));
    must(spool_set_quarantined(spool, id, "unreadable", &err));
    return id;
}

/* How often the audit log says so. */
static unsigned
audited(const char *event, const char *word)
{
    char log[FOLDER_PATH_BYTES + 32];

    snprintf(log, sizeof log, "%s/audit/log", dir);
    return audit_log_says(log, event, word);
}

/* A duplicate that lands between the desk's list of them, which is audited, and the spool's goes
 * with the others under the same name. */
static void
what_is_not_in_the_log_is_audited_whoever_did_it(void **state)
{
    uint64_t id = put_aside("1.2.3.1"), late = put_aside("1.2.3.2");

    (void)state;
    look_anew();
    must(spool_discard(spool, id, "equipment", "li.wei", &err));
    must(aside_note_discards(spool, book, audit, "1.2.3.1", &err));
    must(spool_discard(spool, late, "equipment", "li.wei", &err));

    for (int round = 0; round < 2; round++) {
        look_anew();
        assert_int_equal(audited("IMAGE_DISCARDED", "li.wei"), 2);
        assert_int_equal(audited("IMAGE_DISCARDED", "1.2.3.1"), 1);
    }
}

/* ---- what ends in between ---- */

static void
run_sql(const char *sql)
{
    sqlite3 *file = NULL;
    char *path = mem_printf("%s/desk/desk.db", dir);

    assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
    if (sqlite3_exec(file, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(file));
    sqlite3_close(file);
    free(path);
}

static int64_t
discarded_at(uint64_t id)
{
    struct spool_entry *entry = NULL;
    int64_t at_us;

    must(spool_look(spool, id, &entry, &err));
    at_us = entry->state_at_us[INSTANCE_DISCARDED];
    spool_entry_free(&entry);
    return at_us;
}

static void
take_back(uint64_t id, const char *by)
{
    struct spool_entry *entry = NULL;

    must(spool_look(spool, id, &entry, &err));
    must(aside_restore(spool, book, audit, entry, by, &err));
    spool_entry_free(&entry);
}

/* The book as a crash leaves it: `made` is run on it while nobody has it open. */
static void
crash_with(const char *made)
{
    close_book();
    run_sql(made);
    look_anew();
}

static void
a_crash_around_its_entry_leaves_a_discard_in_the_log_once(void **state)
{
    uint64_t id = put_aside("1.2.3.1");

    (void)state;
    look_anew();
    must(spool_discard(spool, id, "equipment", "li.wei", &err)); /* and the end: nothing noted */
    look_anew();
    assert_int_equal(audited("IMAGE_DISCARDED", "li.wei"), 1);

    crash_with("UPDATE discard_noted SET step = 0, step_at_us = unixepoch() * 1000000");
    assert_int_equal(audited("IMAGE_DISCARDED", "li.wei"), 1); /* it was written already */
    look_anew();
    assert_int_equal(audited("IMAGE_DISCARDED", "li.wei"), 1);
}

static void
a_crash_before_its_entry_loses_no_discard(void **state)
{
    uint64_t id = put_aside("1.2.3.1");
    char *begun;

    (void)state;
    look_anew();
    must(spool_discard(spool, id, "equipment", "li.wei", &err));
    begun = mem_printf(
        "INSERT INTO discard_noted (entry, at_us, instance, is_watched, step, step_at_us) "
        "VALUES (%" PRIu64 ", %" PRId64 ", '1.2.3.1', 1, 0, unixepoch() * 1000000)",
        id, discarded_at(id));

    crash_with(begun);

    assert_int_equal(audited("IMAGE_DISCARDED", "li.wei"), 1);
    free(begun);
}

static void
a_crash_around_its_entry_leaves_a_taking_back_in_the_log_once(void **state)
{
    uint64_t id = put_aside("1.2.3.1");
    char *taking;

    (void)state;
    look_anew();
    must(spool_discard(spool, id, "equipment", "li.wei", &err));
    must(aside_note_discards(spool, book, audit, "1.2.3.1", &err));
    taking = mem_printf(
        "INSERT INTO discard_noted (entry, at_us, instance, is_watched, step, step_at_us, "
        "restored_by) VALUES (%" PRIu64 ", %" PRId64
        ", '1.2.3.1', 1, 2, unixepoch() * 1000000, 'wang.fang')",
        id, discarded_at(id));
    take_back(id, "wang.fang");
    assert_int_equal(audited("IMAGE_RESTORED", "wang.fang"), 1);

    for (int round = 0; round < 2; round++) {
        crash_with(taking);
        assert_int_equal(audited("IMAGE_RESTORED", "1.2.3.1"), 1);
        assert_int_equal(audited("IMAGE_DISCARDED", "1.2.3.1"), 1);
    }
    free(taking);
}

static void
a_taking_back_that_was_only_meant_is_nobodys(void **state)
{
    uint64_t meant = put_aside("1.2.3.1"), done = put_aside("1.2.3.2");

    (void)state;
    look_anew();
    must(spool_discard(spool, meant, "equipment", "li.wei", &err));
    must(spool_discard(spool, done, "equipment", "li.wei", &err));
    look_anew();
    must(spool_release(spool, done, &err));
    crash_with("UPDATE discard_noted SET restored_by = 'wang.fang'");
    assert_int_equal(audited("IMAGE_RESTORED", "wang.fang"), 1);
    assert_int_equal(audited("IMAGE_RESTORED", "1.2.3.2"), 1);

    must(queue_act(spool, "release", meant, NULL, &err));
    look_anew();

    assert_int_equal(audited("IMAGE_RESTORED", "wang.fang"), 1);
    assert_int_equal(audited("\"by\":\"radpost queue\"", "1.2.3.1"), 1);
}

/* Both within one stop of the gateway, or between two looks of the desk. */
static void
what_radpost_queue_threw_away_and_took_back_at_once_is_audited(void **state)
{
    uint64_t id = put_aside("1.2.3.1");
    bool is_restored;

    (void)state;
    look_anew();
    must(queue_act(spool, "discard", id, "other", &err));
    must(queue_act(spool, "release", id, NULL, &err));
    must(spool_set_quarantined(spool, id, "unreadable", &err));
    must(queue_act(spool, "discard", id, "equipment", &err));
    must(queue_act(spool, "release", id, NULL, &err));
    must(aside_watch_step(watch, &is_restored, &err));
    assert_true(is_restored);

    for (int round = 0; round < 2; round++) {
        assert_int_equal(audited("IMAGE_DISCARDED", "1.2.3.1"), 2);
        assert_int_equal(audited("IMAGE_DISCARDED", "equipment"), 1);
        assert_int_equal(audited("IMAGE_RESTORED", "1.2.3.1"), 2);
        look_anew();
    }
}

/* A file that could not be read names no instance; a discard of long ago, nobody. */
static void
an_undone_discard_without_an_instance_or_a_name_is_audited(void **state)
{
    uint64_t unnamed = put_aside(""), nobodys = put_aside("1.2.3.2");

    (void)state;
    look_anew();
    must(queue_act(spool, "discard", unnamed, "other", &err));
    must(queue_act(spool, "release", unnamed, NULL, &err));
    must(spool_discard(spool, nobodys, "equipment", "", &err));
    must(queue_act(spool, "release", nobodys, NULL, &err));

    look_anew();

    assert_int_equal(audited("IMAGE_DISCARDED", "\"other\""), 1);
    assert_int_equal(audited("IMAGE_DISCARDED", "equipment"), 1);
    assert_int_equal(audited("IMAGE_RESTORED", "by"), 2);
}

/* Else it would be forgotten with what was found of it. */
static void
an_undone_discard_waits_for_a_disk_that_gives_no_names(void **state)
{
    uint64_t id = put_aside("1.2.3.1");
    bool is_restored;

    (void)state;
    look_anew();
    must(queue_act(spool, "discard", id, "other", &err));
    must(queue_act(spool, "release", id, NULL, &err));
    sick_folder("/undone", 0);
    assert_int_equal(aside_watch_step(watch, &is_restored, &err), -1);
    sick_folder(NULL, 0);

    look_anew();

    assert_int_equal(audited("IMAGE_DISCARDED", "1.2.3.1"), 1);
}

static void
what_is_damaged_of_an_undone_discard_is_set_aside(void **state)
{
    char *folder = mem_printf("%s/spool", dir), *moved;
    uint64_t id = put_aside("1.2.3.1");

    (void)state;
    look_anew();
    must(queue_act(spool, "discard", id, "other", &err));
    must(queue_act(spool, "release", id, NULL, &err));
    must(durable_put_file(folder, "undone/7-5", "radpost-undone 1 0badc0de 7\t5\ta\tb\tc\n", 36,
                          &err));

    look_anew();

    assert_int_equal(audited("IMAGE_DISCARDED", "1.2.3.1"), 1);
    moved = mem_printf("%s/corrupt/undone-7-5", folder);
    assert_int_equal(access(moved, F_OK), 0);
    free(moved);
    free(folder);
}

/* ---- a book of before ---- */

static void
write_version_6(void)
{
    char *desk = mem_printf("%s/desk", dir);

    must(durable_mkdir(desk, &err));
    for (int n = 1; n <= 6; n++) {
        char *path = mem_printf("gateway/desk/schema_%d.sql", n), *sql;
        const struct embedded *schema = embed_find(path);

        assert_non_null(schema);
        sql = mem_printf("%.*s", (int)(schema->end - schema->begin), (const char *)schema->begin);
        run_sql(sql);
        free(sql);
        free(path);
    }
    run_sql("PRAGMA user_version=6");
    free(desk);
}

static void
note_in_book(const char *columns, uint64_t id, int64_t at_us, const char *more)
{
    char *sql = mem_printf("INSERT INTO discard_noted (%s) VALUES (%" PRIu64 ", %" PRId64 "%s)",
                           columns, id, at_us, more);

    run_sql(sql);
    free(sql);
}

/* A program before kept the row of what was taken back at the desk, and audited it then. */
static void
what_an_older_book_noted_is_no_restore(void **state)
{
    uint64_t back = put_aside("1.2.3.1"), away = put_aside("1.2.3.2");

    (void)state;
    must(spool_discard(spool, away, "other", SPOOL_BY_QUEUE, &err));
    write_version_6();
    note_in_book("entry, at_us", back, 5, "");
    note_in_book("entry, at_us", away, discarded_at(away), "");

    look_anew();

    assert_int_equal(audited("IMAGE_", "1.2.3."), 0);
    must(spool_release(spool, away, &err)); /* noted by the old one, watched by this */
    for (int round = 0; round < 2; round++) {
        look_anew();
        assert_int_equal(audited("IMAGE_", "1.2.3."), 1);
        assert_int_equal(audited("IMAGE_RESTORED", "1.2.3.2"), 1);
    }
}

static void
what_was_noted_of_a_spool_before_this_one_is_no_restore(void **state)
{
    uint64_t id = put_aside("1.2.3.1");

    (void)state;
    look_anew();
    close_book();
    note_in_book("entry, at_us, instance, is_watched", id, 6, ", '1.2.99', 1");

    look_anew();

    assert_int_equal(audited("IMAGE_", "1.2."), 0);
}

int
main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        CLAIM(what_is_not_in_the_log_is_audited_whoever_did_it),
        CLAIM(a_crash_around_its_entry_leaves_a_discard_in_the_log_once),
        CLAIM(a_crash_before_its_entry_loses_no_discard),
        CLAIM(a_crash_around_its_entry_leaves_a_taking_back_in_the_log_once),
        CLAIM(a_taking_back_that_was_only_meant_is_nobodys),
        CLAIM(what_radpost_queue_threw_away_and_took_back_at_once_is_audited),
        CLAIM(an_undone_discard_without_an_instance_or_a_name_is_audited),
        CLAIM(an_undone_discard_waits_for_a_disk_that_gives_no_names),
        CLAIM(what_is_damaged_of_an_undone_discard_is_set_aside),
        CLAIM(what_an_older_book_noted_is_no_restore),
        CLAIM(what_was_noted_of_a_spool_before_this_one_is_no_restore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
