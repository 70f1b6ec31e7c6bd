/* test_intake.c - the archive's events in trouble: a crash, a catalog that was set back, a study
 * that cannot be described or taken in. */
#include "tests/unit/assign/assign_case.h"

static void
the_cursor_moves_with_the_read_or_not_at_all(void **state)
{
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    read_world_closes(&w, "T1", "1.2.4", 1, 30);
    read_world_fails(ERR_RETRY);
    assert_int_equal(intake_step(w.assign, 0, &err), -1);
    assert_int_equal(read_world_count(&w, "SELECT seq FROM intake_cursor"), 0);
    read_world_count(&w, "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
                         "serialization_failure; END $$; CREATE TRIGGER no BEFORE INSERT ON reads "
                         "FOR EACH ROW WHEN (NEW.study_uid = '1.2.4') EXECUTE FUNCTION no()");
    assert_int_equal(intake_step(w.assign, 0, &err), -1);

    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), 1);
    assert_int_equal(read_world_count(&w, "SELECT seq FROM intake_cursor"), 10);

    read_world_count(&w, "DROP TRIGGER no ON reads");
    read_world_settle(&w);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), 2);
    assert_int_equal(read_world_count(&w, "SELECT seq FROM intake_cursor"), 13);
}

/* Set back to a backup the archive gives the numbers of forgotten events to others. */
static void
an_archive_set_back_hides_nothing_and_makes_nothing_twice(void **state)
{
    struct read_row row;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    read_world_tells("T1", "study.complete", "1.2.3", 1, 30);
    read_world_closes(&w, "T1", "1.2.4", 1, 20);
    read_world_closes(&w, "T1", "1.2.4", 2, 21);
    row = settled("T1", "1.2.4");
    read_world_sets_back(2);
    read_world_closes(&w, "T1", "1.2.5", 1, 7);
    read_world_closes(&w, "T1", "1.2.4", 1, 21); /* told again by its gateway: now its first */
    read_world_settle(&w);

    assert_int_equal(read_of("T1", "1.2.5").instances, 7);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), 3);
    assert_int_equal(
        read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'opened'"), 3);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'whole'"),
                     1);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'late'"),
                     1);
    assert_int_equal(read_of("T1", "1.2.4").read_id, row.read_id);
    assert_int_equal(read_of("T1", "1.2.4").revision, 1); /* so that the next is later than it */
    read_world_closes(&w, "T1", "1.2.4", 2, 22);
    assert_int_equal(settled("T1", "1.2.4").instances, 22);
}

static int64_t documents_missing;

static int
on_documents_missing(struct pg_conn *conn, int64_t read_id, struct err *err)
{
    (void)conn, (void)err;
    documents_missing = read_id;
    return 0;
}

static void
that_documents_are_lost_is_told_of_the_studys_read(void **state)
{
    struct read_row row;

    (void)state;
    w.assign->options.on_documents_missing = on_documents_missing;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    read_world_tells("T1", "documents.missing", "1.2.99", 0,
                     2); /* of no read: it holds nobody up */
    read_world_tells("T1", "documents.missing", "1.2.3", 0, 2);

    row = settled("T1", "1.2.3");
    assert_int_equal(documents_missing, row.read_id);
}

static void
a_study_the_archive_cannot_describe_yet_is_asked_for_again(void **state)
{
    struct err err;

    (void)state;
    read_world_study("1.2.8", "P8", NULL);
    read_world_closes(&w, "T1", "1.2.8", 1, 300);
    read_world_closes(&w, "T1", "1.2.9", 1, 2);
    read_world_settle(&w);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), 1); /* it held up nobody */
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM intake_aside"), 1);

    read_world_study("1.2.8", "P8", "CT");
    read_world_tells("T1", "study.looked", "1.2.8", 0, 0);
    OK(intake_step(w.assign, 0, &err));
    OK(intake_step(w.assign, 0, &err));

    assert_int_equal(read_of("T1", "1.2.8").instances, 300);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM intake_aside"), 0);
}

/* The catalog of reads refuses one study, now and when it is asked for again. */
static void
a_study_that_cannot_be_taken_holds_up_nobody(void **state)
{
    struct err err;

    (void)state;
    read_world_count(&w, "ALTER TABLE reads ADD CONSTRAINT no CHECK (study_uid <> '1.2.70') NOT "
                         "VALID");
    read_world_closes(&w, "T1", "1.2.70", 1, 2);
    read_world_closes(&w, "T1", "1.2.71", 1, 2);
    OK(intake_step(w.assign, 0, &err));
    assert_int_equal(read_of("T1", "1.2.71").instances, 2);
    assert_int_equal(
        read_world_count(&w, "SELECT count(*) FROM intake_aside WHERE study_uid = '1.2.70'"), 1);

    read_world_count(&w, "UPDATE intake_aside SET next_at_us = 0");
    read_world_closes(&w, "T1", "1.2.72", 1, 2);
    OK(intake_step(w.assign, 0, &err));
    assert_int_equal(read_of("T1", "1.2.72").instances, 2);

    read_world_count(&w, "ALTER TABLE reads DROP CONSTRAINT no");
    read_world_count(&w, "UPDATE intake_aside SET next_at_us = 0");
    OK(intake_step(w.assign, 0, &err));
    assert_int_equal(read_of("T1", "1.2.70").instances, 2);
    assert_int_equal(
        read_world_count(&w, "SELECT count(*) FROM intake_aside WHERE study_uid = '1.2.70'"), 0);
}

static int64_t
wholes(void)
{
    return read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'whole'");
}

/* That a study is whole is told once: what cannot be noted now is noted later. */
static void
that_a_study_is_whole_is_not_lost(void **state)
{
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.80", 1, 2);
    read_world_settle(&w);
    read_world_count(&w, "ALTER TABLE read_events ADD CONSTRAINT no CHECK (event <> 'whole') NOT "
                         "VALID");
    read_world_tells("T1", "study.complete", "1.2.80", 1, 2);
    OK(intake_step(w.assign, 0, &err));
    assert_int_equal(wholes(), 0);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM intake_aside"), 1);
    read_world_count(&w, "UPDATE intake_aside SET next_at_us = 0");
    OK(intake_step(w.assign, 0, &err)); /* in vain */
    assert_int_equal(read_world_count(&w, "SELECT tries FROM intake_aside"), 1);

    read_world_count(&w, "ALTER TABLE read_events DROP CONSTRAINT no");
    read_world_count(&w, "UPDATE intake_aside SET next_at_us = 0");
    OK(intake_step(w.assign, 0, &err));
    assert_int_equal(wholes(), 1);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM intake_aside"), 0);
}

static void
what_was_whole_while_aside_is_noted_with_the_read(void **state)
{
    struct err err;

    (void)state;
    read_world_study("1.2.81", "P81", NULL);
    read_world_closes(&w, "T1", "1.2.81", 1, 3);
    read_world_settle(&w);
    read_world_tells("T1", "study.complete", "1.2.81", 1, 3);
    read_world_settle(&w);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM intake_aside"), 1);

    read_world_study("1.2.81", "P81", "CT");
    read_world_tells("T1", "study.sealed", "1.2.81", 0, 0);
    OK(intake_step(w.assign, 0, &err));
    OK(intake_step(w.assign, 0, &err));
    assert_int_equal(read_of("T1", "1.2.81").instances, 3);
    assert_int_equal(wholes(), 1);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM intake_aside"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_cursor_moves_with_the_read_or_not_at_all),
        CASE(an_archive_set_back_hides_nothing_and_makes_nothing_twice),
        CASE(that_documents_are_lost_is_told_of_the_studys_read),
        CASE(a_study_the_archive_cannot_describe_yet_is_asked_for_again),
        CASE(a_study_that_cannot_be_taken_holds_up_nobody),
        CASE(that_a_study_is_whole_is_not_lost),
        CASE(what_was_whole_while_aside_is_noted_with_the_read),
    };

    RUN_CASES(tests);
}
