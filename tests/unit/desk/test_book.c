/* test_book.c - the desk's book over a real file: registrations and their messages; also after
 * being closed, killed or damaged. */
#include "gateway/desk/book.h"
#include "gateway/desk/book_own.h"
#include "gateway/desk/db.h"

#include "proto/base/clock.h"
#include "proto/base/embed.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "tests/support/book_world.h"

#include <sqlite3.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define DAY_US (INT64_C(86400) * 1000000)

/* ---- registrations and messages ---- */

static void
a_registration_and_its_message_are_kept_together(void **state)
{
    char number[17];
    struct clinic_ups ups;

    (void)state;
    person("王小东", "11010519491231002X", "CT", number);
    reopen();

    assert_string_equal(found(number)->name, "王小东");
    assert_int_equal(found(number)->waiting, 1);
    assert_int_equal(due(&ups), 1);
    assert_int_equal(ups.messages[0].kind, CLINIC_REGISTRATION);
    assert_string_equal(ups.messages[0].registration, number);
    assert_string_equal(ups.messages[0].clinic_phone, "04318888888");
    clinic_ups_free(&ups);
}

static void
numbers_grow_by_the_day_and_are_the_desks_own(void **state)
{
    char first[17], second[17], next_day[17];

    (void)state;
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    person("甲", "", "DX", first);
    person("乙", "", "DX", second);
    clock_fake_advance(86400 * 1000);
    person("丙", "", "DX", next_day);

    assert_true(clinic_registration_is_valid(first));
    assert_int_equal(strlen(first), 13);
    assert_string_equal(first + 10, "001");
    assert_string_equal(second + 10, "002");
    assert_string_equal(next_day + 10, "001");
    assert_memory_equal(first + 6, second + 6, 4);
    assert_memory_not_equal(first, next_day, 6);
}

static void
a_clock_that_was_ahead_does_not_stop_registration(void **state)
{
    static const int64_t today_us = INT64_C(1795305600) * 1000000;
    char today[17], ahead[17], back[17], tomorrow[17];

    (void)state;
    clock_fake(today_us, 1000);
    person("甲", "", "DX", today);
    clock_fake(today_us + DAY_US, 1000);
    person("乙", "", "DX", ahead);
    clock_fake(today_us, 1000);
    person("丙", "", "DX", back);
    clock_fake(today_us + DAY_US, 1000);
    person("丁", "", "DX", tomorrow);

    assert_string_equal(today + 10, "001");
    assert_string_equal(ahead + 10, "001");
    assert_memory_equal(back, ahead, 10); /* numbers do not go back */
    assert_string_equal(back + 10, "002");
    assert_memory_equal(tomorrow, ahead, 10);
    assert_string_equal(tomorrow + 10, "003");
}

static void
copy_book(const char *from, const char *to)
{
    static const char *const ends[] = {"", "-wal"};

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char path[FOLDER_PATH_BYTES + 64];
        uint8_t bytes[4096];
        ssize_t n;
        int in, out;

        snprintf(path, sizeof path, "%s/%s%s", book_dir, to, ends[i]);
        (void)unlink(path);
        snprintf(path, sizeof path, "%s/%s%s", book_dir, from, ends[i]);
        in = open(path, O_RDONLY | O_CLOEXEC);
        if (in < 0)
            continue;
        snprintf(path, sizeof path, "%s/%s%s", book_dir, to, ends[i]);
        out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(out >= 0);
        while ((n = read(in, bytes, sizeof bytes)) > 0)
            assert_int_equal(write(out, bytes, (size_t)n), n);
        close(in);
        close(out);
    }
}

/* An image of the disk, or last night's backup of the box, put back. */
static void
a_file_that_was_set_back_gives_no_number_again(void **state)
{
    char before[17], first[17], second[17];

    (void)state;
    person("甲", "", "CT", before);
    book_close(&book);
    copy_book("desk.db", "copy.db");
    reopen();
    person("王五", "", "CT", first);
    book_close(&book);
    copy_book("copy.db", "desk.db");
    reopen();
    person("陈六", "", "CT", second);

    assert_string_not_equal(first, second);
}

/* What the last registration was told as, the messages before it settled. */
static struct clinic_up
last_told(void)
{
    struct clinic_ups ups;
    struct clinic_up last;

    assert_true(due(&ups) > 0);
    last = ups.messages[ups.count - 1];
    clinic_ups_free(&ups);
    return last;
}

static void
all_that_is_told_of_a_registration_bears_its_identity(void **state)
{
    char one[17], other[17], identity[CLINIC_ID_SIZE];
    uint8_t code[32] = {1};
    struct clinic_up m;
    struct err err;

    (void)state;
    person("甲", "", "CT", one);
    m = last_told();
    text_copy(identity, sizeof identity, m.identity);
    receipt(m.id, CLINIC_DONE, "");
    reopen();
    assert_int_equal(book_slip(book, one, code, &err), 0);
    m = last_told();
    receipt(m.id, CLINIC_DONE, "");
    person("乙", "", "CT", other);

    assert_true(clinic_id_is_valid(identity));
    assert_int_equal(m.kind, CLINIC_SLIP);
    assert_string_equal(m.identity, identity);
    assert_string_not_equal(last_told().identity, identity);
}

/* A machine set back while it ran: its program still has the letters. */
static void
a_number_that_was_given_twice_is_followed_by_others(void **state)
{
    char first[17], second[17];

    (void)state;
    person("甲", "", "CT", first);
    receipt(last_told().id, CLINIC_REFUSED, "conflict");
    person("甲", "", "CT", second);

    assert_memory_not_equal(first + 6, second + 6, 4);
}

static void
a_receipt_settles_its_message_once(void **state)
{
    char number[17], id[CLINIC_ID_SIZE], word[CLINIC_WORD_SIZE];
    struct clinic_ups ups;
    bool is_settled;
    struct err err;

    (void)state;
    person("王小东", "", "CT", number);
    due(&ups);
    text_copy(id, sizeof id, ups.messages[0].id);
    clinic_ups_free(&ups);
    receipt(id, CLINIC_REFUSED, "conflict");
    receipt(id, CLINIC_DONE, ""); /* a late twin of the answer */

    assert_int_equal(due(&ups), 0);
    clinic_ups_free(&ups);
    assert_int_equal(book_outcome(book, id, true, &is_settled, word, &err), 0);
    assert_true(is_settled);
    assert_string_equal(word, "conflict");
    assert_string_equal(found(number)->refused, "registration conflict");
}

static void
a_message_waits_for_the_earlier_ones_of_its_registration_only(void **state)
{
    char one[17], other[17];
    uint8_t code[32] = {1};
    struct clinic_ups ups;
    struct err err;

    (void)state;
    person("甲", "", "CT", one);
    person("乙", "", "CT", other);
    assert_int_equal(book_slip(book, one, code, &err), 0);
    due(&ups);
    assert_int_equal(ups.count, 3);
    assert_int_equal(book_postpone(book, ups.messages[0].id, &err), 0);
    clinic_ups_free(&ups);

    assert_int_equal(due(&ups), 1);
    assert_string_equal(ups.messages[0].registration, other);
    clinic_ups_free(&ups);
}

static void
a_postponed_message_comes_again(void **state)
{
    char number[17];
    struct clinic_ups ups;
    struct err err;

    (void)state;
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    person("甲", "", "CT", number);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(due(&ups), 1);
        assert_int_equal(book_postpone(book, ups.messages[0].id, &err), 0);
        clinic_ups_free(&ups);
        assert_int_equal(due(&ups), 0);
        clinic_ups_free(&ups);
        clock_fake_advance(61000); /* never longer than a minute */
    }
}

static void
a_phone_is_proved_by_the_readers_word(void **state)
{
    char number[17], id[CLINIC_ID_SIZE];
    struct err err;

    (void)state;
    person("甲", "", "CT", number);
    assert_string_equal(found(number)->phone_word, "");
    assert_int_equal(book_phone(book, number, NULL, id, &err), 0);
    assert_string_equal(found(number)->phone_word, "unsent");
    receipt(id, CLINIC_DONE, "sent");
    assert_string_equal(found(number)->phone_word, "sent");
    assert_int_equal(book_phone(book, number, "123456", id, &err), 0);
    receipt(id, CLINIC_DONE, "wrong");
    assert_false(found(number)->is_phone_verified);
    assert_int_equal(book_phone(book, number, "654321", id, &err), 0);
    receipt(id, CLINIC_DONE, "verified");
    assert_true(found(number)->is_phone_verified);
}

static void
another_phone_has_to_be_proved_anew(void **state)
{
    struct book_registration *r;
    char number[17], id[CLINIC_ID_SIZE];
    struct clinic_ups ups;
    struct err err;

    (void)state;
    person("甲", "", "CT", number);
    assert_int_equal(book_phone(book, number, "654321", id, &err), 0);
    receipt(id, CLINIC_DONE, "verified");
    r = found(number);
    text_copy(r->phone, sizeof r->phone, "13900139000");
    assert_int_equal(book_correct(book, r, NULL, "", &err), 0);

    assert_false(found(number)->is_phone_verified);
    assert_int_equal(found(number)->revision, 2);
    due(&ups);
    assert_int_equal(ups.messages[ups.count - 1].revision, 2);
    assert_string_equal(ups.messages[ups.count - 1].phone, "13900139000");
    clinic_ups_free(&ups);
}

/* The clock was years ahead while the line was down, and was set right: nothing waits for those
 * years, and what belongs together goes in its order. */
static void
a_clock_that_is_set_back_keeps_no_message(void **state)
{
    static const int64_t right_us = INT64_C(1795305600) * 1000000;
    char number[17], other[17];
    struct clinic_ups ups;
    struct err err;

    (void)state;
    clock_fake(right_us + INT64_C(5) * 365 * DAY_US, 1000);
    person("甲", "", "CT", number);
    assert_int_equal(book_urgent(book, number, true, "胸痛", NULL, "li", &err), 0);
    person("乙", "", "CT", other);
    assert_int_equal(due(&ups), 3);
    for (size_t i = 0; i < ups.count; i++)
        assert_int_equal(book_postpone(book, ups.messages[i].id, &err), 0);
    clinic_ups_free(&ups);
    assert_int_equal(due(&ups), 0);
    clinic_ups_free(&ups);

    clock_fake(right_us, 2000);
    reopen();

    assert_int_equal(due(&ups), 3);
    assert_string_equal(ups.messages[0].registration, number);
    assert_int_equal(ups.messages[0].kind, CLINIC_REGISTRATION);
    assert_string_equal(ups.messages[2].registration, other);
    assert_int_equal(book_postpone(book, ups.messages[0].id, &err), 0); /* and back-off holds */
    clinic_ups_free(&ups);
    assert_int_equal(due(&ups), 1);
    clinic_ups_free(&ups);
    clock_unfake();
}

static void
a_phone_that_was_corrected_meanwhile_is_not_proved_by_the_old_one(void **state)
{
    struct book_registration *r;
    char number[17], id[CLINIC_ID_SIZE];
    struct err err;

    (void)state;
    person("甲", "", "CT", number);
    assert_int_equal(book_phone(book, number, "654321", id, &err), 0);
    r = found(number);
    text_copy(r->phone, sizeof r->phone, "13900139000");
    assert_int_equal(book_correct(book, r, NULL, "", &err), 0);
    receipt(id, CLINIC_DONE, "verified");

    assert_string_equal(found(number)->phone, "13900139000");
    assert_false(found(number)->is_phone_verified);
}

static void
a_dropped_message_is_never_told(void **state)
{
    char number[17], id[CLINIC_ID_SIZE], word[CLINIC_WORD_SIZE];
    struct clinic_ups ups;
    bool is_settled;
    struct err err;

    (void)state;
    person("甲", "", "CT", number);
    assert_int_equal(book_phone(book, number, NULL, id, &err), 0);
    assert_int_equal(book_outcome(book, id, true, &is_settled, word, &err), 0);
    assert_false(is_settled);
    receipt(id, CLINIC_DONE, "sent"); /* it was on its way all the same */

    assert_int_equal(due(&ups), 1);
    assert_int_equal(ups.messages[0].kind, CLINIC_REGISTRATION);
    clinic_ups_free(&ups);
}

/* ---- power and damage ---- */

/* A child registers until it is killed; each number that it told (by a pipe, after the book's
 * answer) is in the book afterwards, with its message. */
static void
what_was_answered_is_there_after_a_kill(void **state)
{
    char told[4096] = "";
    size_t n = 0;
    int fds[2];
    pid_t child;

    (void)state;
    book_close(&book);
    assert_int_equal(pipe(fds), 0);
    child = fork();
    if (child == 0) {
        struct err err;

        if (book_open(book_dir, "", &book, &err) < 0)
            _exit(1);
        for (;;) {
            struct book_registration *r = mem_new(sizeof *r);
            char number[17];

            text_copy(r->name, sizeof r->name, "甲");
            if (book_register(book, r, number, &err) < 0 || write(fds[1], number, 13) != 13)
                _exit(1);
            free(r);
        }
    }
    while (n < 13 * 20) { /* after twenty it dies in the middle of something */
        ssize_t got = read(fds[0], told + n, 13 * 20 - n);

        assert_true(got > 0);
        n += (size_t)got;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(fds[0]);
    close(fds[1]);
    reopen();

    for (size_t i = 0; i < 20; i++) {
        char number[17] = "";

        memcpy(number, told + 13 * i, 13);
        assert_string_equal(found(number)->name, "甲");
        assert_int_equal(found(number)->waiting, 1);
    }
}

static void
a_damaged_file_is_set_aside_and_begun_anew(void **state)
{
    char path[FOLDER_PATH_BYTES + 32], number[17];
    struct stat st;
    int fd;

    (void)state;
    person("甲", "", "CT", number);
    book_close(&book);
    snprintf(path, sizeof path, "%s/desk.db", book_dir);
    fd = open(path, O_WRONLY);
    for (off_t at = 0; at < 65536; at += 512)
        assert_int_equal(pwrite(fd, "garbage!", 8, at), 8);
    close(fd);
    reopen();

    person("乙", "", "CT", number); /* work goes on */
    snprintf(path, sizeof path, "%s/corrupt", book_dir);
    assert_int_equal(stat(path, &st), 0);
}

static void
a_file_of_a_later_version_is_refused(void **state)
{
    struct db *db = NULL;
    bool was_corrupt;
    char path[FOLDER_PATH_BYTES + 32];
    struct err err;
    const uint8_t later[] = {0, 0, 0, 99};
    int fd;

    (void)state;
    book_close(&book); /* the write-ahead log is merged */
    snprintf(path, sizeof path, "%s/desk.db", book_dir);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, later, 4, 60), 4); /* user_version, fileformat2.html 1.3.16 */
    close(fd);

    assert_int_equal(db_open(book_dir, "desk.db", &db, &was_corrupt, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_false(was_corrupt);
}

/* A desk.db as version 1 made it, with a row in each kind of table that matters to somebody. */
static void
write_version_1(const char *path)
{
    static const char rows[] =
        "PRAGMA user_version=1;"
        "INSERT INTO setting VALUES ('tag', 'K7M'), ('cursor', '42');"
        "INSERT INTO registration (registration, at_us, changed_at_us, revision, name, citizen_id,"
        " sex, birth, phone, modality, complaint, history, is_urgent, reason) VALUES"
        " ('260101K7M001', 5, 5, 1, '王小东', '', 'M', '19800101', '', 'CT', '咳嗽', '', 0, '');"
        "INSERT INTO outbox (id, kind, registration, body, made_at_us) VALUES"
        " ('00112233445566778899aabbccddeeff', 'slip', '260101K7M001', '{}', 5);";
    const struct embedded *schema = embed_find("gateway/desk/schema_1.sql");
    sqlite3 *file = NULL;
    char *sql;

    assert_non_null(schema);
    sql = mem_printf("%.*s", (int)(schema->end - schema->begin), (const char *)schema->begin);
    assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
    assert_int_equal(sqlite3_exec(file, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(file, rows, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(file);
    free(sql);
}

static void
a_file_of_version_1_is_brought_forward_and_keeps_its_rows(void **state)
{
    char path[FOLDER_PATH_BYTES + 32], number[17];
    char at[CLINIC_ID_SIZE];
    uint64_t cursor = 0;
    struct err err;

    (void)state;
    book_close(&book);
    snprintf(path, sizeof path, "%s/desk.db", book_dir);
    assert_int_equal(unlink(path), 0);
    write_version_1(path);

    reopen();

    assert_string_equal(found("260101K7M001")->name, "王小东");
    assert_int_equal(found("260101K7M001")->waiting, 1);
    assert_int_equal(book_cursor(book, &cursor, at, &err), 0);
    assert_int_equal(cursor, 42);
    person("乙", "", "CT", number);
    reopen(); /* and is of the newest version now: no step is taken twice */
    assert_string_equal(found(number)->name, "乙");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, book_world_open, book_world_close)
        TEST(a_registration_and_its_message_are_kept_together),
        TEST(numbers_grow_by_the_day_and_are_the_desks_own),
        TEST(a_clock_that_was_ahead_does_not_stop_registration),
        TEST(a_file_that_was_set_back_gives_no_number_again),
        TEST(all_that_is_told_of_a_registration_bears_its_identity),
        TEST(a_number_that_was_given_twice_is_followed_by_others),
        TEST(a_receipt_settles_its_message_once),
        TEST(a_message_waits_for_the_earlier_ones_of_its_registration_only),
        TEST(a_postponed_message_comes_again),
        TEST(a_clock_that_is_set_back_keeps_no_message),
        TEST(a_phone_is_proved_by_the_readers_word),
        TEST(another_phone_has_to_be_proved_anew),
        TEST(a_phone_that_was_corrected_meanwhile_is_not_proved_by_the_old_one),
        TEST(a_dropped_message_is_never_told),
        TEST(what_was_answered_is_there_after_a_kill),
        TEST(a_damaged_file_is_set_aside_and_begun_anew),
        TEST(a_file_of_a_later_version_is_refused),
        TEST(a_file_of_version_1_is_brought_forward_and_keeps_its_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
