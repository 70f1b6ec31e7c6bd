/* test_nobodys.c - studies that are nobody's: listed until one says whose they are, or that they
 * need nobody; that what is odd is right says neither. And whose they are: how its read stands. */
#include "gateway/desk/doubts.h"

#include "gateway/desk/accounts.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/embed.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/model/doubts.h"
#include "tests/support/book_world.h"

#include <sqlite3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define S1 "1.2.3.1"
#define S2 "1.2.3.2"

int doubts_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;

static struct err err;

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

/* The newest message that is due. */
static struct clinic_up
newest(void)
{
    struct clinic_ups ups;
    struct clinic_up last;

    assert_true(due(&ups) > 0);
    last = ups.messages[ups.count - 1];
    clinic_ups_free(&ups);
    return last;
}

/* How many of the page's list are nobody's. */
static size_t
listed(void)
{
    struct json_doc *doc = NULL;
    struct buf json;
    struct jsonw w;
    size_t n;

    buf_init(&json, 1 << 20);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    must(doubts_report(book, &w, &err));
    jsonw_end(&w);
    must(json_parse(json.bytes, json.n, &doc, &err));
    n = json_length(json_find(json_root(doc), "unmatched"));
    json_free(&doc);
    buf_fini(&json);
    return n;
}

static void
arrive(const char *study, const char *patient_id)
{
    struct book_study said = {.modality = "CT", .arrived_at_us = clock_wall_us()};
    unsigned n;

    text_copy(said.study, sizeof said.study, study);
    text_copy(said.patient_id, sizeof said.patient_id, patient_id);
    must(book_study_put(book, &said, &err));
    must(book_match(book, 0, &n, &err));
}

static int
count_row(void *user, int n, char **values, char **names)
{
    (void)n;
    (void)values;
    (void)names;
    ++*(unsigned *)user;
    return 0;
}

static unsigned
run_sql(const char *dir, const char *sql)
{
    char *path = mem_printf("%s/desk.db", dir);
    sqlite3 *file = NULL;
    unsigned rows = 0;

    assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
    if (sqlite3_exec(file, sql, count_row, &rows, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(file));
    sqlite3_close(file);
    free(path);
    return rows;
}

/* "Checked: it is right" took it off every list, and its report reached nobody. */
static void
what_is_confirmed_says_not_whose_it_is(void **state)
{
    static const struct account li = {.login = "li", .name = "李技师", .roles = DESK_TECHNICIAN};
    char one[17], code[SLIP_TEXT_BYTES];

    (void)state;
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    must(accounts_invite(book, "test", &li, code, &err));
    person("甲", "", "CT", one);
    arrive(S1, "X99");
    clock_fake_advance(61000);
    must(book_doubt_put(book, S1, DOUBT_OTHERS_NUMBER | DOUBT_STUDY_OLD, &err));
    assert_int_equal(book_doubt_confirm(book, S1, 0, UINT64_MAX, "li", "x", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT); /* it holds signing, and they did not see it */
    must(book_doubt_confirm(book, S1, DOUBT_OTHERS_NUMBER | DOUBT_STUDY_OLD, UINT64_MAX, "li",
                            "看过身份证", &err));

    reopen();

    assert_int_equal(listed(), 1);
    must(book_doubt_confirm(book, S1, 0, UINT64_MAX, "li", "试拍", &err));
    assert_int_equal(listed(), 0);
    assert_int_equal(run_sql(book_dir, "SELECT 1 FROM doubt WHERE nobody_by = '李技师'"), 1);
    assert_string_equal(newest().reason, "看过身份证"); /* of that the reader hears nothing */
    assert_int_equal(book_doubt_confirm(book, S2, DOUBT_OTHERS_NUMBER, UINT64_MAX, "li", "x", &err),
                     -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    clock_unfake();
}

static void
what_was_said_of_somebodys_study_says_nothing_when_it_is_nobodys_again(void **state)
{
    char number[17];

    (void)state;
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    person("甲", "", "CT", number);
    arrive(S1, "X99");
    arrive(S2, "X98");
    must(book_doubt_confirm(book, S1, 0, UINT64_MAX, "li", "试拍", &err));
    must(book_attach(book, number, S1, "hand", &err));
    must(book_doubt_put(book, S1, DOUBT_STUDY_DATE, &err));
    must(book_doubt_confirm(book, S1, DOUBT_STUDY_DATE, UINT64_MAX, "li", "看过设备", &err));
    clock_fake_advance(61000);
    assert_int_equal(listed(), 1);

    must(book_attach(book, number, S2, "hand", &err));

    assert_int_equal(listed(), 1);
    clock_unfake();
}

static void
write_version_17(const char *dir)
{
    must(durable_mkdir(dir, &err));
    for (int n = 1; n <= 17; n++) {
        char *path = mem_printf("gateway/desk/schema_%d.sql", n), *sql;
        const struct embedded *schema = embed_find(path);

        assert_non_null(schema);
        sql = mem_printf("%.*s", (int)(schema->end - schema->begin), (const char *)schema->begin);
        run_sql(dir, sql);
        free(sql);
        free(path);
    }
    run_sql(dir, "PRAGMA user_version=17");
}

static void
who_was_said_to_need_nobody_before_needs_nobody_still(void **state)
{
    char *dir = mem_printf("%s/old", book_dir);
    char number[17];

    (void)state;
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    write_version_17(dir);
    run_sql(dir, "INSERT INTO doubt (study, bits, confirmed, confirmed_by, reason, at_us) VALUES"
                 " ('" S1 "', 0, 0, 'li', 'x', 1795305600000000),"
                 " ('" S2 "', 1, 1, 'li', 'x', 1795305600000000)");
    book_close(&book);
    must(book_open(dir, "", &book, &err));
    person("甲", "", "CT", number);
    arrive(S1, "X98");
    arrive(S2, "X99");
    clock_fake_advance(61000);

    assert_int_equal(listed(), 1); /* it was confirmed alone */

    free(dir);
    clock_unfake();
}

/* As the page has it for one of the newest 200 registrations: an older one is its number there. */
static void
with_a_study_it_is_told_that_its_owners_report_was_signed(void **state)
{
    struct clinic_down read = {.kind = CLINIC_READ_STATE,
                               .seq = 1,
                               .at_us = clock_wall_us(),
                               .read = 7,
                               .study = S1,
                               .modality = "CT",
                               .state = "signed"};
    struct clinic_downs downs = {.messages = &read, .count = 1, .next = 1};
    struct book_study *studies = NULL;
    char number[17], other[17];
    struct buf json;
    struct jsonw w;
    size_t n;

    (void)state;
    clinic_id_new(read.id);
    person("甲", "", "CT", number);
    person("乙", "", "CT", other);
    arrive(S1, "X1");
    arrive(S2, "X2");
    arrive("1.2.3.9", "X3");
    must(book_attach(book, number, S1, "hand", &err));
    must(book_join(book, number, S2, &err));
    must(book_attach(book, other, "1.2.3.9", "hand", &err));
    must(book_doubt_put(book, S2, DOUBT_STUDY_OLD, &err));
    must(book_take(book, &downs, &err));

    must(book_studies(book, 0, &studies, &n, &err));
    assert_int_equal(n, 3);
    assert_string_equal(studies[0].read_state, "signed");
    assert_string_equal(studies[1].read_state, "signed"); /* a part of the same exam */
    assert_string_equal(studies[2].read_state, "");
    free(studies);
    buf_init(&json, 1 << 20);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    must(doubts_report(book, &w, &err));
    jsonw_end(&w);
    assert_non_null(strstr(buf_text(&json), "\"read_state\":\"signed\""));
    buf_fini(&json);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_confirmed_says_not_whose_it_is),
        TEST(what_was_said_of_somebodys_study_says_nothing_when_it_is_nobodys_again),
        TEST(who_was_said_to_need_nobody_before_needs_nobody_still),
        TEST(with_a_study_it_is_told_that_its_owners_report_was_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
