/* test_compose.c - the life of a report: who may do what when, and what a signature covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "proto/base/clock.h"
#include "proto/trust/cms.h"
#include "tests/support/report_world.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

#define STUDY "1.2.840.99.1"

static struct pg_cluster *cluster;
static struct report_world w;

static int
begin(void **state)
{
    static int n;
    char name[32];

    (void)state;
    if (cluster == NULL)
        cluster = pg_cluster_start();
    if (cluster == NULL)
        skip();
    snprintf(name, sizeof name, "compose%d", n++);
    report_world_open(&w, cluster, name);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    report_world_close(&w);
    return 0;
}

static enum read_state
state_of(int64_t read)
{
    struct read_row *row = mem_new(sizeof *row);
    struct pg_conn *conn = NULL;
    enum read_state state;
    struct err err;

    OK(pg_get(w.reads.pg, &conn, &err));
    OK(assign_read_get(conn, read, row, &err));
    pg_put(&conn);
    state = row->state;
    free(row);
    return state;
}

static void
judge(const struct report *r)
{
    struct cms_verdict v;
    struct err err;

    OK(cms_verify(r->cms, r->cms_n, r->canonical, r->canonical_n, signer_ca_pem(w.compose->signer),
                  &v, &err));
    assert_string_equal(v.why, "");
    assert_string_equal(v.signer.name,
                        r->reviewer.login[0] != '\0' ? r->reviewer.name : r->author.name);
    assert_int_equal(v.signed_at_us / 1000000, r->signed_at_us / 1000000);
}

static void
a_report_is_drafted_written_reviewed_and_signed_by_two(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct report r;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");

    assert_int_equal(state_of(read), READ_SIGNED);
    report_world_get(&w, read, 0, &r);
    judge(&r);
    assert_int_equal(r.version, 1);
    assert_int_equal(r.standing, REPORT_VALID);
    assert_int_equal(r.kind, REPORT_FINAL);
    assert_string_equal(r.findings, "双肺纹理清晰。");
    assert_string_equal(r.author.name, "王医生");
    assert_string_equal(r.author.licence, "L1");
    assert_string_equal(r.reviewer.name, "张主任");
    assert_string_equal(r.reviewer.organisation_name, "县人民医院");
    assert_string_equal(r.clinic_name, "青山镇卫生院");
    assert_string_equal(r.hospital_name, "县人民医院");
    assert_string_equal(r.agreement, "AG1");
    assert_int_equal(r.covers, 2);
    assert_int_equal(r.present, 2);
    assert_int_equal(strlen(r.token), REPORT_TOKEN_BYTES - 1);
    assert_non_null(strstr(r.verify_url, "https://report.example/v/"));
    report_fini(&r);
}

static void
a_draft_is_kept_by_a_counter(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);

    (void)state;
    assert_int_equal(report_draft(&w, "doc1", read, 0, "a", "b"), REFUSE_NOT_CLAIMED);
    assert_int_equal(report_claim(&w, "doc1", read), 0);
    assert_int_equal(report_draft(&w, "doc1", read, 0, "a", "b"), 0);
    assert_int_equal(state_of(read), READ_DRAFTED);
    assert_int_equal(report_base(&w, read), 1);
    assert_int_equal(report_draft(&w, "doc1", read, 0, "x", "y"), REFUSE_STALE);
    assert_int_equal(report_draft(&w, "doc1", read, 1, "c", NULL), 0);
    assert_int_equal(report_draft(&w, "doc2", read, 2, "x", "y"), REFUSE_LEASE);
    assert_int_equal(report_draft(&w, "doc1", read, 2, "bell \a", "y"), REFUSE_TEXT);
    assert_int_equal(report_draft(&w, "tech1", read, 2, "x", "y"), REFUSE_LICENCE);
    assert_int_equal(report_draft(&w, "doc9", read, 2, "x", "y"), -ERR_NOT_FOUND);
    report_world_reopen(&w);
    assert_int_equal(report_base(&w, read), 2);
    assert_int_equal(read_world_count(&w.reads,
                                      "SELECT count(*) FROM report WHERE findings = 'c' AND "
                                      "impression = 'b'"),
                     1);
}

static void
nobody_reviews_or_signs_what_they_wrote(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);

    (void)state;
    read_world_count(&w.reads, "UPDATE accounts SET roles = 6 WHERE login IN ('doc1', 'doc2')");
    assert_int_equal(report_claim(&w, "doc2", read), 0);
    assert_int_equal(report_draft(&w, "doc2", read, 0, "a", "b"), 0);
    read_world_count(&w.reads, "UPDATE reads SET lease_until_us = 1");
    assert_int_equal(report_claim(&w, "doc1", read), 0);
    assert_int_equal(report_draft(&w, "doc1", read, 1, "c", "d"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(report_review(&w, "doc1", read, true, NULL), REFUSE_SAME_PERSON);
    assert_int_equal(report_review(&w, "doc2", read, true, NULL), REFUSE_SAME_PERSON);
    assert_int_equal(report_review(&w, "rev1", read, true, NULL), 0);
    assert_int_equal(report_shown(&w, "doc1", read, true), 0);
    read_world_count(&w.reads, "UPDATE reads SET lease_until_us = 1");
    assert_int_equal(report_sign(&w, "doc1", read, REPORT_FINAL), REFUSE_SAME_PERSON);
    assert_int_equal(report_sign(&w, "doc2", read, REPORT_FINAL), REFUSE_SAME_PERSON);
    assert_int_equal(state_of(read), READ_REVIEWED);
}

static void
a_reviewer_gives_it_back_with_a_reason(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);

    (void)state;
    assert_int_equal(report_claim(&w, "doc1", read), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), REFUSE_EMPTY);
    assert_int_equal(report_draft(&w, "doc1", read, 0, "a", "  \n"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), REFUSE_EMPTY);
    assert_int_equal(report_draft(&w, "doc1", read, 1, "a", "b"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(report_review(&w, "rev1", read, false, " "), REFUSE_REASON);
    assert_int_equal(report_review(&w, "rev1", read, false, "左右写反"), 0);
    assert_int_equal(state_of(read), READ_DRAFTED);
    assert_int_equal(read_world_count(&w.reads, "SELECT count(*) FROM report WHERE "
                                                "returned_reason = '左右写反'"),
                     1);
    assert_int_equal(report_draft(&w, "doc1", read, report_base(&w, read), "A", "B"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(read_world_count(&w.reads, "SELECT count(*) FROM report_history WHERE "
                                                "action IN ('write', 'return')"),
                     3);
}

/* Everything is ready to be signed by rev1, but for what a row changes. */
static int64_t
reviewed(const char *study)
{
    int64_t read = report_world_study(&w, "T1", study);

    assert_int_equal(report_claim(&w, "doc1", read), 0);
    assert_int_equal(report_draft(&w, "doc1", read, 0, "a", "b"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(report_review(&w, "rev1", read, true, NULL), 0);
    return read;
}

static void
signing_is_refused_in_clear_words(void **state)
{
    int64_t read = reviewed(STUDY);

    (void)state;
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_NOTHING_SHOWN);
    assert_int_equal(report_shown(&w, "rev1", read, false), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_NOT_SHOWN);
    assert_int_equal(report_shown(&w, "rev1", read, true), 0);
    report_archive.revision = 0;
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_MANIFEST_OPEN);
    report_archive.revision = 2; /* the reader has not heard of it yet */
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_MANIFEST_OPEN);
    report_archive.revision = 1;
    report_archive.is_open = true;
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_MANIFEST_OPEN);
    report_archive.is_open = false;
    report_archive.not_whole = 1;
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_NOT_WHOLE);
    report_archive.not_whole = -1;
    report_archive.is_away = true;
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), -ERR_RETRY);
    report_archive.is_away = false;
    read_world_count(&w.reads, "UPDATE reads SET claimed_by = 'doc2', lease_until_us = 9e15");
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_LEASE);
    read_world_count(&w.reads, "UPDATE reads SET claimed_by = NULL");
    read_world_count(&w.reads, "UPDATE doctors SET valid_until_us = 1 WHERE login = 'rev1'");
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_LICENCE);
    read_world_count(&w.reads, "UPDATE doctors SET valid_until_us = 9e15 WHERE login = 'rev1'");
    assert_int_equal(report_sign(&w, "doc9", read, REPORT_FINAL), -ERR_NOT_FOUND);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_PRELIMINARY), REFUSE_STATE);
    assert_int_equal(read_world_count(&w.reads, "SELECT count(*) FROM report_version"), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_STATE);
}

static void
a_gateway_that_fell_silent_holds_no_report_back(void **state)
{
    int64_t read = reviewed(STUDY);

    (void)state;
    assert_int_equal(report_shown(&w, "rev1", read, true), 0);
    report_archive.is_open = true;
    report_archive.silent_us = 9LL * 60 * 1000000;
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_MANIFEST_OPEN);
    report_archive.silent_us = 11LL * 60 * 1000000;
    assert_int_equal(report_sign_lacking(&w, "rev1", read, REPORT_FINAL, 1), 0);
    read = reviewed("1.2.99"); /* whose images came while the centre's clock was ahead */
    assert_int_equal(report_shown(&w, "rev1", read, true), 0);
    report_archive.silent_us = INT64_C(-200) * 86400 * 1000000;
    assert_int_equal(report_sign_lacking(&w, "rev1", read, REPORT_FINAL, 1), 0);
}

static void
a_stale_page_does_not_sign(void **state)
{
    int64_t read = reviewed(STUDY);
    struct http_caller caller = {.kind = HTTP_STAFF, .device = "rev1"};
    struct act a = {0};
    struct err err;

    (void)state;
    assert_int_equal(report_shown(&w, "rev1", read, true), 0);
    assert_int_equal(
        step_sign(w.compose, &caller, read, report_base(&w, read) - 1, REPORT_FINAL, 0, &a, &err),
        -1);
    assert_int_equal(a.why, REFUSE_STALE);
    act_end(&a);
}

static void
amended_and_withdrawn_versions_stay(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct report first, second;
    struct err err;
    struct buf zip;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    assert_int_equal(report_amend(&w, "doc1", read, ""), REFUSE_REASON);
    assert_int_equal(report_amend(&w, "doc1", read, "左右写反"), 0);
    assert_int_equal(state_of(read), READ_DRAFTED);
    assert_int_equal(report_draft(&w, "doc1", read, report_base(&w, read), "更正后", "更正后"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(report_review(&w, "rev1", read, true, NULL), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
    assert_int_equal(state_of(read), READ_AMENDED);

    report_world_get(&w, read, 1, &first);
    report_world_get(&w, read, 0, &second);
    judge(&first);
    judge(&second);
    assert_int_equal(first.standing, REPORT_AMENDED);
    assert_int_equal(first.superseded_by, 2);
    assert_string_equal(first.findings, "双肺纹理清晰。");
    assert_int_equal(second.standing, REPORT_VALID);
    assert_string_equal(second.reason, "左右写反");
    assert_int_equal(second.predecessor, 1);
    assert_memory_equal(second.predecessor_sha256, first.sha256, DIGEST_BYTES);
    report_fini(&second);

    assert_int_equal(report_withdraw(&w, "doc1", read, "错误"), REFUSE_LICENCE);
    assert_int_equal(report_withdraw(&w, "rev1", read, NULL), REFUSE_REASON);
    assert_int_equal(report_withdraw(&w, "rev1", read, "患者错误"), 0);
    assert_int_equal(state_of(read), READ_WITHDRAWN);
    assert_true(report_withdraw(&w, "rev1", read, "again") != 0);
    report_world_get(&w, read, 0, &second);
    assert_int_equal(second.standing, REPORT_WITHDRAWN);
    assert_string_equal(second.withdrawn_reason, "患者错误");
    judge(&second);
    buf_init(&zip, (size_t)64 << 20);
    OK(compose_evidence(w.compose, read, 2, &zip, &err));
    assert_non_null(memmem(zip.bytes, zip.n, "withdrawal.p7s", 14));
    buf_fini(&zip);
    report_fini(&first);
    report_fini(&second);
}

static void
a_page_that_saw_version_1_does_not_withdraw_version_2(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY), seen;
    struct report r;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    seen = report_base(&w, read);
    assert_int_equal(report_amend(&w, "doc1", read, "左右写反"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(report_review(&w, "rev1", read, true, NULL), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);

    assert_int_equal(report_withdraw_at(&w, "rev1", read, seen, "患者错误"), REFUSE_STALE);

    report_world_get(&w, read, 0, &r);
    assert_int_equal(r.version, 2);
    assert_int_equal(r.standing, REPORT_VALID);
    report_fini(&r);
}

static void
a_lone_reader_signs_a_preliminary_report_and_the_second_read_follows(void **state)
{
    int64_t read = report_world_study(&w, "T2", STUDY), not_alone;
    struct report r;

    (void)state;
    assert_int_equal(report_claim(&w, "doc2", read), 0);
    assert_int_equal(report_draft(&w, "doc2", read, 0, "急诊所见", "急诊意见"), 0);
    assert_int_equal(report_sign(&w, "doc2", read, REPORT_PRELIMINARY), REFUSE_NOTHING_SHOWN);
    assert_int_equal(report_shown(&w, "doc2", read, true), 0);
    assert_int_equal(report_sign(&w, "doc2", read, REPORT_PRELIMINARY), 0);
    assert_int_equal(state_of(read), READ_PRELIMINARY);
    report_world_get(&w, read, 0, &r);
    judge(&r);
    assert_int_equal(r.kind, REPORT_PRELIMINARY);
    assert_string_equal(r.reviewer.login, "");
    report_fini(&r);

    assert_int_equal(report_shown(&w, "rev1", read, true), 0);
    assert_int_equal(report_review(&w, "rev1", read, true, NULL), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
    assert_int_equal(state_of(read), READ_SIGNED);
    report_world_get(&w, read, 0, &r);
    judge(&r);
    assert_int_equal(r.version, 2);
    assert_int_equal(r.kind, REPORT_FINAL);
    assert_int_equal(r.predecessor, 1);
    assert_string_equal(r.author.login, "doc2");
    report_fini(&r);

    not_alone = report_world_study(&w, "T1", "1.2.840.99.2");
    assert_int_equal(report_claim(&w, "doc1", not_alone), 0);
    assert_int_equal(report_draft(&w, "doc1", not_alone, 0, "a", "b"), 0);
    assert_int_equal(report_shown(&w, "doc1", not_alone, true), 0);
    assert_int_equal(report_sign(&w, "doc1", not_alone, REPORT_PRELIMINARY), REFUSE_NOT_ALONE);
}

static void
late_images_are_counted_beside_what_was_signed(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct report r;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    report_archive.instances = 3;
    report_archive.revision = 2;
    read_world_closes(&w.reads, "T1", STUDY, 2, 3);
    read_world_settle(&w.reads);

    report_world_get(&w, read, 0, &r);
    assert_int_equal(r.covers, 2);
    assert_int_equal(r.present, 3);
    judge(&r);
    report_fini(&r);
}

static void
what_came_after_one_looked_is_opened_before_it_is_reported_on(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct report r;

    (void)state;
    assert_int_equal(report_claim(&w, "doc1", read), 0);
    assert_int_equal(report_shown(&w, "doc1", read, true), 0);
    assert_int_equal(report_draft(&w, "doc1", read, 0, "a", "b"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(report_shown(&w, "rev1", read, true), 0);
    report_world_images_come(&w, STUDY, 4);
    assert_int_equal(state_of(read), READ_DRAFTED);

    assert_int_equal(report_write_as(&w, "doc1", read), REFUSE_LATE);
    assert_int_equal(report_shown_one(&w, "doc1", read, 2), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), REFUSE_LATE);
    assert_int_equal(report_shown_one(&w, "doc1", read, 3), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(report_review(&w, "rev1", read, true, NULL), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_LATE);
    assert_int_equal(report_shown_one(&w, "rev1", read, 3), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_LATE);
    assert_int_equal(report_shown_one(&w, "rev1", read, 2), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);

    report_world_get(&w, read, 0, &r);
    assert_int_equal(r.covers, 4);
    report_fini(&r);
}

static void *
save(void *read)
{
    return (void *)(intptr_t)report_draft(&w, "doc1", *(int64_t *)read, 0, "a", "b");
}

static void
a_first_save_does_not_take_a_read_another_is_claiming(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct pg_conn *conn = NULL;
    pthread_t saver;
    struct err err;
    void *result;

    (void)state;
    assert_int_equal(report_claim(&w, "doc1", read), 0);
    OK(pg_get(w.reads.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_advance(conn, read, "system", READ_SAW_LAPSE, NULL, &err));
    OK(assign_advance(conn, read, "doc2", READ_SAW_CLAIM, NULL, &err));
    assert_int_equal(pthread_create(&saver, NULL, save, &read), 0);
    while (read_world_count(&w.reads, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
        continue;
    OK(pg_commit(conn, &err));
    pg_put(&conn);
    pthread_join(saver, &result);

    assert_int_equal((intptr_t)result, REFUSE_LEASE);
    assert_int_equal(
        read_world_count(&w.reads, "SELECT count(*) FROM reads WHERE claimed_by = 'doc2'"), 1);
}

enum { RACERS = 100 };

static void *
race(void *read)
{
    return (void *)(intptr_t)report_sign(&w, "rev1", *(int64_t *)read, REPORT_FINAL);
}

static void
of_100_who_sign_at_once_exactly_one_succeeds(void **state)
{
    int64_t read = reviewed(STUDY);
    pthread_t threads[RACERS];
    int won = 0, told = 0;

    (void)state;
    assert_int_equal(report_shown(&w, "rev1", read, true), 0);
    for (int i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &read), 0);
    for (int i = 0; i < RACERS; i++) {
        void *result;

        pthread_join(threads[i], &result);
        won += (intptr_t)result == 0;
        told += (intptr_t)result == REFUSE_STATE || (intptr_t)result == REFUSE_STALE;
    }
    assert_int_equal(won, 1);
    assert_int_equal(told, RACERS - 1);
    assert_int_equal(read_world_count(&w.reads, "SELECT count(*) FROM report_version"), 1);
    assert_int_equal(
        read_world_count(&w.reads, "SELECT count(*) FROM read_events WHERE event = 'sign'"), 1);
}

static void
documents_are_stored_once_whatever_happens_and_again_when_they_are_lost(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct pg_conn *conn = NULL;
    unsigned left = 9;
    struct report r;
    struct err err;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    report_world_get(&w, read, 0, &r);
    assert_false(r.is_stored);
    report_fini(&r);
    report_archive.stow_fails = ERR_RETRY; /* it took them, and the answer was lost */
    OK(documents_settle(w.compose, &left, &err));
    assert_int_equal(left, 1);
    assert_int_equal(report_archive.stored, 2);
    report_world_reopen(&w);
    OK(documents_settle(w.compose, &left, &err));
    assert_int_equal(left, 0);
    assert_int_equal(report_archive.stows, 2);
    assert_int_equal(report_archive.stored, 2); /* the same two */
    OK(documents_settle(w.compose, &left, &err));
    assert_int_equal(report_archive.stows, 2); /* nothing is due any more */
    report_world_get(&w, read, 0, &r);
    assert_true(r.is_stored);
    report_fini(&r);
    assert_int_equal(
        read_world_count(&w.reads, "SELECT count(*) FROM read_events WHERE event = 'stored'"), 1);
    OK(pg_get(w.reads.pg, &conn, &err));
    OK(compose_documents_missing(conn, read, &err)); /* the archive has lost them */
    pg_put(&conn);
    OK(documents_settle(w.compose, &left, &err));
    assert_int_equal(report_archive.stows, 3);
    assert_int_equal(report_archive.stored, 2); /* the same two */
}

static void
a_versions_documents_are_there_for_other_systems(void **state)
{
    static const struct {
        const char *kind, *says;
        size_t at;
    } rows[] = {{"sr", "DICM", 128}, {"pdf", "DICM", 128}, {"text", "{\"agreement\"", 0}};
    int64_t read = report_world_study(&w, "T1", STUDY);
    unsigned left = 9;
    struct buf out;
    struct err err;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    buf_init(&out, 1 << 24);
    assert_int_equal(compose_document(w.compose, read, 1, "sr", &out, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND); /* not made yet */
    OK(documents_settle(w.compose, &left, &err));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&out);
        OK(compose_document(w.compose, read, 1, rows[i].kind, &out, &err));
        assert_memory_equal(out.bytes + rows[i].at, rows[i].says, strlen(rows[i].says));
    }
    assert_int_equal(compose_document(w.compose, read, 2, "text", &out, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    buf_fini(&out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_report_is_drafted_written_reviewed_and_signed_by_two),
        TEST(a_draft_is_kept_by_a_counter),
        TEST(nobody_reviews_or_signs_what_they_wrote),
        TEST(a_reviewer_gives_it_back_with_a_reason),
        TEST(signing_is_refused_in_clear_words),
        TEST(a_gateway_that_fell_silent_holds_no_report_back),
        TEST(a_stale_page_does_not_sign),
        TEST(amended_and_withdrawn_versions_stay),
        TEST(a_page_that_saw_version_1_does_not_withdraw_version_2),
        TEST(a_lone_reader_signs_a_preliminary_report_and_the_second_read_follows),
        TEST(late_images_are_counted_beside_what_was_signed),
        TEST(what_came_after_one_looked_is_opened_before_it_is_reported_on),
        TEST(a_first_save_does_not_take_a_read_another_is_claiming),
        TEST(of_100_who_sign_at_once_exactly_one_succeeds),
        TEST(documents_are_stored_once_whatever_happens_and_again_when_they_are_lost),
        TEST(a_versions_documents_are_there_for_other_systems),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    pg_cluster_remove(&cluster);
    return status;
}
