/* test_lamps.c - a lamp says what is true, and "safe to delete" only when it is. */
#include "gateway/desk/lamps.h"
#include "gateway/desk/parts_lamp.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct spool_study
safe_study(void)
{
    struct spool_study s = {.total = 30, .revision = 1, .acked_revision = 1};

    s.counts[INSTANCE_SEALED] = 29;
    s.counts[INSTANCE_DUPLICATE] = 1;
    return s;
}

static void
only_a_sealed_listed_closed_study_is_safe_to_delete(void **state)
{
    struct spool_study s = safe_study();

    (void)state;
    assert_int_equal(study_word_of(&s, 0), STUDY_SAFE);

    s.unlisted = 1; /* a late image */
    assert_int_not_equal(study_word_of(&s, 0), STUDY_SAFE);
    s = safe_study();
    s.uninspected = 1; /* it may be one: nobody has looked into it yet */
    assert_int_equal(study_word_of(&s, 0), STUDY_HELD);
    s = safe_study();
    s.acked_revision = 0; /* the centre has not said yes to the list */
    assert_int_equal(study_word_of(&s, 0), STUDY_HELD);
    s = safe_study();
    s.revision = s.acked_revision = 0; /* never closed */
    assert_int_equal(study_word_of(&s, 0), STUDY_HELD);
    s = safe_study();
    s.paused = 1; /* a person keeps one back */
    assert_int_equal(study_word_of(&s, 0), STUDY_HELD);
    s = safe_study();
    s.open_associations = 1;
    assert_int_equal(study_word_of(&s, 0), STUDY_RECEIVING);
    s = safe_study();
    s.total++;
    s.counts[INSTANCE_HELD] = 1;
    assert_int_equal(study_word_of(&s, 0), STUDY_HELD);
    s = safe_study();
    s.total++;
    s.counts[INSTANCE_QUARANTINED] = 1;
    assert_int_equal(study_word_of(&s, 0), STUDY_ATTENTION);
    s = safe_study();
    s.aside = 1; /* the centre's list names what is kept aside here */
    assert_int_equal(study_word_of(&s, 0), STUDY_ATTENTION);
    s = safe_study();
    s.lost = 1; /* sealed once, and gone at both ends since */
    assert_int_equal(study_word_of(&s, 0), STUDY_ATTENTION);
}

/* What the device says it made: an examination that is half here looks whole. */
static void
nothing_is_safe_to_delete_while_more_is_announced(void **state)
{
    static const struct {
        const char *name;
        uint64_t missing;
        enum study_word word;
    } rows[] = {
        {"all came", 0, STUDY_SAFE},
        {"one is to come", 1, STUDY_HELD},
        {"thirty are to come", 30, STUDY_HELD},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct spool_study s = safe_study();

        if (study_word_of(&s, rows[i].missing) != rows[i].word)
            fail_msg("%s: %s", rows[i].name, study_word_text(study_word_of(&s, rows[i].missing)));
    }
}

static void
a_study_tells_how_far_it_is(void **state)
{
    struct spool_study s = {.total = 2}, none = {.total = 0};

    (void)state;
    assert_string_equal(study_word_text(study_word_of(&none, 0)), "receiving"); /* of nothing */
    s.counts[INSTANCE_LOOKED] = 1;
    s.counts[INSTANCE_CODED] = 1;
    assert_string_equal(study_word_text(study_word_of(&s, 0)), "sending");
    s.counts[INSTANCE_CODED] = 0;
    s.counts[INSTANCE_HELD] = 1;
    assert_string_equal(study_word_text(study_word_of(&s, 0)), "looked");
}

static void
the_line_turns_red_after_ten_minutes(void **state)
{
    struct uplink_status s = {.line = UPLINK_DOWN, .line_since_us = 1000000};

    (void)state;
    assert_string_equal(lamp_colour(lamp_of_line(&s, 1000000 + 599 * 1000000LL)), "amber");
    assert_string_equal(lamp_colour(lamp_of_line(&s, 1000000 + 601 * 1000000LL)), "red");
    s.line = UPLINK_UP;
    assert_string_equal(lamp_word(lamp_of_line(&s, 0)), "LINE_UP");
    s.proofs_failed = 1;
    assert_string_equal(lamp_word(lamp_of_line(&s, 0)), "LINE_PROOF");
    assert_string_equal(lamp_colour(lamp_of_line(&s, 0)), "red");
}

static void
one_line_of_several_that_is_long_away_is_amber(void **state)
{
    static const int64_t since_us = 1000000;
    static const struct {
        const char *name;
        size_t lines;
        enum uplink_line second;
        int64_t seconds;
        enum lamp lamp;
    } rows[] = {
        {"both are up", 2, UPLINK_UP, 86400, LAMP_LINE_UP},
        {"the fibre is away for a moment", 2, UPLINK_DOWN, 599, LAMP_LINE_UP},
        {"the fibre is away", 2, UPLINK_DOWN, 601, LAMP_LINE_PARTLY},
        {"the one that stands by is refused", 2, UPLINK_REFUSED, 601, LAMP_LINE_PARTLY},
        {"it never was reached", 2, UPLINK_TRYING, 601, LAMP_LINE_PARTLY},
        {"there is one line", 1, UPLINK_DOWN, 86400, LAMP_LINE_UP},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct uplink_status s = {.line = UPLINK_UP, .lines_n = rows[i].lines};
        enum lamp lamp;

        s.lines[0].line = UPLINK_UP;
        s.lines[1].line = rows[i].second;
        s.lines[0].since_us = s.lines[1].since_us = since_us;
        lamp = lamp_of_line(&s, since_us + rows[i].seconds * 1000000);
        if (lamp != rows[i].lamp)
            fail_msg("%s: %s", rows[i].name, lamp_word(lamp));
    }
    assert_string_equal(lamp_colour(LAMP_LINE_PARTLY), "amber");
}

static void
a_line_that_answers_and_lets_no_images_through_is_amber(void **state)
{
    struct uplink_status s = {.line = UPLINK_UP, .lines_n = 1};

    (void)state;
    s.lines[0] = (struct uplink_line_status){.line = UPLINK_UP, .is_serving = true};
    assert_string_equal(lamp_word(lamp_of_line(&s, 0)), "LINE_UP");
    s.lines[0].is_choked = true;
    assert_string_equal(lamp_word(lamp_of_line(&s, 0)), "LINE_CHOKED");
    assert_string_equal(lamp_colour(lamp_of_line(&s, 0)), "amber");
    s.lines_n = 2;
    s.lines[0].is_serving = false;
    s.lines[1] = (struct uplink_line_status){.line = UPLINK_UP, .is_serving = true};
    assert_string_equal(lamp_word(lamp_of_line(&s, 0)), "LINE_CHOKED_ONE");
    assert_string_equal(lamp_colour(lamp_of_line(&s, 0)), "amber");
}

static void
a_mistyped_table_of_lines_is_amber_whether_or_not_the_centre_was_reached(void **state)
{
    struct uplink_status s = {.line = UPLINK_UP, .is_table_wrong = true};

    (void)state;
    assert_string_equal(lamp_word(lamp_of_line(&s, 0)), "LINE_TABLE");
    assert_string_equal(lamp_colour(lamp_of_line(&s, 0)), "amber");
    s.line = UPLINK_TRYING;
    assert_string_equal(lamp_word(lamp_of_line(&s, 0)), "LINE_TABLE");
    s.line = UPLINK_DOWN; /* what is worse is said first */
    assert_string_equal(lamp_word(lamp_of_line(&s, 0)), "LINE_DOWN");
    s.is_proxy_denied = true; /* somebody has to act, and at once */
    assert_string_equal(lamp_word(lamp_of_line(&s, 0)), "LINE_PROXY");
    assert_string_equal(lamp_colour(LAMP_LINE_PROXY), "red");
    s.line = UPLINK_UP;
    s.is_centre_full = true;
    assert_string_equal(lamp_word(lamp_of_line(&s, 0)), "LINE_FULL");
}

static void
a_full_centre_is_said_by_the_line_and_is_red_after_an_hour(void **state)
{
    static const int64_t since_us = 1000000, second_us = 1000000;
    struct uplink_status s = {.line = UPLINK_UP, .is_centre_full = true, .full_since_us = since_us};
    enum lamp lamp = lamp_of_line(&s, since_us + 3600 * second_us);

    (void)state;
    assert_string_equal(lamp_word(lamp), "LINE_FULL");
    assert_string_equal(lamp_colour(lamp), "amber");
    lamp = lamp_of_line(&s, since_us + 3601 * second_us);
    assert_string_equal(lamp_word(lamp), "LINE_FULL_LONG");
    assert_string_equal(lamp_colour(lamp), "red");
}

/* It fails every TLS, and the page said no more than that the centre refuses the certificate. */
static void
a_clock_that_stands_years_back_is_named(void **state)
{
    static const int64_t now_us = INT64_C(1795305600) * 1000000;
    struct uplink_status s = {.line = UPLINK_REFUSED};

    (void)state;
    assert_int_equal(lamp_of_clock(&s, 0), LAMP_CLOCK_FAR);
    assert_int_equal(lamp_of_clock(&s, now_us), LAMP_CLOCK_UNKNOWN);
    s.certificate_from_us = now_us + 1;
    assert_int_equal(lamp_of_clock(&s, now_us), LAMP_CLOCK_FAR);
    assert_string_equal(lamp_colour(LAMP_CLOCK_FAR), "red");
    s.line = UPLINK_UP; /* the centre's clock was ahead that day */
    assert_int_equal(lamp_of_clock(&s, now_us), LAMP_CLOCK_UNKNOWN);
    s.line = UPLINK_REFUSED;
    s.certificate_from_us = now_us;
    assert_int_equal(lamp_of_clock(&s, now_us), LAMP_CLOCK_UNKNOWN);
    s.is_clock_past_all = true; /* or ahead, as far as it shows */
    assert_int_equal(lamp_of_clock(&s, now_us), LAMP_CLOCK_AHEAD);
    assert_true(clock_cuts_off(&s, now_us));
}

/* It was blamed for a line that was up. */
static void
a_clock_is_blamed_only_for_a_line_that_is_not_up(void **state)
{
    static const struct {
        const char *name;
        enum uplink_line line;
        int64_t now_us;
        bool is_cut_off;
    } rows[] = {
        {"far off, up", UPLINK_UP, 0, false},
        {"far off, down", UPLINK_DOWN, 0, true},
        {"far off, refused", UPLINK_REFUSED, 0, true},
        {"far off, not tried yet", UPLINK_TRYING, 0, true},
        {"far off, not enrolled", UPLINK_NOT_ENROLLED, 0, false},
        {"right, down", UPLINK_DOWN, INT64_C(2000000000000000), false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct uplink_status s = {.line = rows[i].line, .has_clock_offset = true};

        if (clock_cuts_off(&s, rows[i].now_us) != rows[i].is_cut_off)
            fail_msg("%s", rows[i].name);
    }
}

static void
clock_and_certificate_have_their_bounds(void **state)
{
    static const struct {
        int days;
        bool is_stale;
        enum lamp lamp;
    } rows[] = {
        {INT_MIN, false, LAMP_CERTIFICATE_UNKNOWN}, {INT_MIN, true, LAMP_CERTIFICATE_STAYS},
        {-1, false, LAMP_CERTIFICATE_ENDED},        {-1, true, LAMP_CERTIFICATE_ENDED},
        {7, true, LAMP_CERTIFICATE_ENDING},         {8, true, LAMP_CERTIFICATE_STAYS},
        {30, false, LAMP_CERTIFICATE_SOON},         {31, false, LAMP_CERTIFICATE_FINE},
        {31, true, LAMP_CERTIFICATE_STAYS},
    };
    static const int64_t now_us = INT64_C(1795305600) * 1000000;
    struct uplink_status s = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        s.certificate_days = rows[i].days;
        assert_int_equal(lamp_of_certificate(&s, rows[i].is_stale), rows[i].lamp);
    }
    assert_int_equal(lamp_of_clock(&s, now_us), LAMP_CLOCK_UNKNOWN);
    s.has_clock_offset = true;
    s.clock_offset_ms = -5001;
    assert_int_equal(lamp_of_clock(&s, now_us), LAMP_CLOCK_OFF);
    s.clock_offset_ms = 60001;
    assert_int_equal(lamp_of_clock(&s, now_us), LAMP_CLOCK_WRONG);
}

static void
what_is_lost_is_red_and_an_upgrade_is_asked_for(void **state)
{
    static const int64_t day_us = INT64_C(86400000000);
    struct uplink_status s = {0};

    (void)state;
    assert_int_equal(lamp_of_centre(&s, 0, 0, 9 * day_us), LAMP_CENTRE_UNKNOWN);
    s.reconciled.at_us = 8 * day_us;
    assert_int_equal(lamp_of_centre(&s, 0, 0, 9 * day_us), LAMP_CENTRE_SAME);
    assert_int_equal(lamp_of_centre(&s, 0, 0, 12 * day_us), LAMP_CENTRE_OLD);
    s.reconciled.different = 2;
    assert_int_equal(lamp_of_centre(&s, 0, 0, 9 * day_us), LAMP_CENTRE_DIFFERED);
    assert_string_equal(lamp_colour(lamp_of_centre(&s, 1, 0, 9 * day_us)), "red");
    s.reconciled.lost = 1; /* at the last comparison; sent again since */
    assert_int_equal(lamp_of_centre(&s, 0, 0, 9 * day_us), LAMP_CENTRE_DIFFERED);
    assert_int_equal(lamp_of_version(&s), LAMP_VERSION_FINE);
    snprintf(s.upgrade_version, sizeof s.upgrade_version, "9.1");
    assert_string_equal(lamp_colour(lamp_of_version(&s)), "amber");
    s.is_version_too_old = true;
    assert_string_equal(lamp_colour(lamp_of_version(&s)), "red");
}

/* The clinic saw green while nothing could be sealed: "safe to delete" stopped without a word. */
static void
a_centre_that_seals_nothing_is_amber_after_an_hour_and_red_after_a_day(void **state)
{
    static const int64_t hour_us = INT64_C(3600000000), now_us = INT64_C(72000000000000);
    static const struct {
        const char *name;
        enum uplink_line line;
        int64_t up_us, held_us; /* so long ago */
        uint64_t lost;
        enum lamp lamp;
    } rows[] = {
        {"nothing waits", UPLINK_UP, 100, 0, 0, LAMP_CENTRE_SAME},
        {"just held", UPLINK_UP, 100, 1, 0, LAMP_CENTRE_SAME},
        {"for two hours", UPLINK_UP, 100, 2, 0, LAMP_CENTRE_NOT_SEALING},
        {"for more than a day", UPLINK_UP, 100, 25, 0, LAMP_CENTRE_NOT_SEALING_LONG},
        {"nobody could hear of it", UPLINK_DOWN, 25, 25, 0, LAMP_CENTRE_SAME},
        {"the line is back just now", UPLINK_UP, 0, 25, 0, LAMP_CENTRE_SAME},
        {"lost goes first", UPLINK_UP, 100, 25, 1, LAMP_CENTRE_LOST},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct uplink_status s = {.line = rows[i].line,
                                  .line_since_us = now_us - rows[i].up_us * hour_us,
                                  .reconciled = {.at_us = now_us}};
        int64_t held_us = rows[i].held_us == 0 ? 0 : now_us - rows[i].held_us * hour_us;

        print_message("%s\n", rows[i].name);
        assert_int_equal(lamp_of_centre(&s, rows[i].lost, held_us, now_us), rows[i].lamp);
    }
    assert_string_equal(lamp_colour(LAMP_CENTRE_NOT_SEALING), "amber");
    assert_string_equal(lamp_colour(LAMP_CENTRE_NOT_SEALING_LONG), "red");
}

static void
a_sick_disk_beats_a_full_one(void **state)
{
    struct spool_health h = {.disk = SPOOL_DISK_REFUSE};

    (void)state;
    assert_string_equal(lamp_colour(lamp_of_disk(&h)), "red");
    h.is_journal_sick = true;
    assert_int_equal(lamp_of_disk(&h), LAMP_DISK_SICK);
    assert_int_equal(lamp_of_devices(2, 1, 1, false), LAMP_DEVICES_REFUSED);
    assert_int_equal(lamp_of_devices(0, 0, 0, false), LAMP_DEVICES_NONE);
    assert_int_equal(lamp_of_devices(2, 1, 1, true), LAMP_DEVICES_TABLE);
    assert_string_equal(lamp_colour(LAMP_DEVICES_TABLE), "red");
}

static void
write_parts(const struct desk_troubles *troubles, char out[2048])
{
    struct jsonw w;
    struct buf b;

    buf_init(&b, 2048);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    parts_lamp_write(&w, troubles);
    jsonw_end(&w);
    snprintf(out, 2048, "%s", buf_text(&b));
    buf_fini(&b);
}

static void
parts_have_a_lamp_only_while_one_does_not_run(void **state)
{
    static struct desk_troubles t;
    char out[2048];

    (void)state;
    write_parts(&t, out);
    assert_string_equal(out, "{}");
    for (enum desk_part p = 0; p < DESK_PARTS; p++)
        snprintf(t.of[p], sizeof t.of[p], "because of %s", desk_part_word(p));

    write_parts(&t, out);
    assert_non_null(
        strstr(out, "{\"parts\":{\"word\":\"PARTS_AWAY\",\"colour\":\"red\",\"parts\":["));
    for (enum desk_part p = 0; p < DESK_PARTS; p++)
        assert_non_null(strstr(out, t.of[p]));
}

static void
the_words_of_all_parts_go_up_the_line(void **state)
{
    static struct desk_troubles t;
    char out[PART_WORDS_BYTES];

    (void)state;
    parts_words(&t, out);
    assert_string_equal(out, "");
    t.of[PART_HL7][0] = t.of[PART_AUDIT][0] = 'x';
    parts_words(&t, out);
    assert_string_equal(out, "hl7,audit");
    for (enum desk_part p = 0; p < DESK_PARTS; p++)
        t.of[p][0] = 'x';
    parts_words(&t, out); /* there is room */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_have_a_lamp_only_while_one_does_not_run),
        cmocka_unit_test(the_words_of_all_parts_go_up_the_line),
        cmocka_unit_test(only_a_sealed_listed_closed_study_is_safe_to_delete),
        cmocka_unit_test(nothing_is_safe_to_delete_while_more_is_announced),
        cmocka_unit_test(a_study_tells_how_far_it_is),
        cmocka_unit_test(the_line_turns_red_after_ten_minutes),
        cmocka_unit_test(one_line_of_several_that_is_long_away_is_amber),
        cmocka_unit_test(a_line_that_answers_and_lets_no_images_through_is_amber),
        cmocka_unit_test(a_mistyped_table_of_lines_is_amber_whether_or_not_the_centre_was_reached),
        cmocka_unit_test(a_full_centre_is_said_by_the_line_and_is_red_after_an_hour),
        cmocka_unit_test(a_clock_that_stands_years_back_is_named),
        cmocka_unit_test(a_clock_is_blamed_only_for_a_line_that_is_not_up),
        cmocka_unit_test(clock_and_certificate_have_their_bounds),
        cmocka_unit_test(what_is_lost_is_red_and_an_upgrade_is_asked_for),
        cmocka_unit_test(a_centre_that_seals_nothing_is_amber_after_an_hour_and_red_after_a_day),
        cmocka_unit_test(a_sick_disk_beats_a_full_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
