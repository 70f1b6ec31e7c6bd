/* test_withdrawn.c - an image that stands on a list of the centre's is thrown away here: the list
 * is told anew without it, to a real archive, and what is left of the study is sealed. */
#include "proto/base/clock.h"
#include "tests/support/archive_site.h"
#include "tests/support/ok.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct keep_sender gate = {"clinic-a", "gate-1", "127.0.0.1:1"};
static struct err err;

/* Two images whose list the centre has, and of which none has come there; no uplink runs. */
static void
tell_two(struct archive_site *s, const char *study)
{
    struct slice slices[2];
    char names[2][64];
    uint32_t revision;

    archive_world_cut(&s->world);
    archive_site_receive(s, study, 2);
    archive_site_wait(s, INSTANCE_PLAIN, 2);
    OK(spool_manifest_close(s->spool, study, &revision, &err));
    for (unsigned i = 0; i < 2; i++) {
        snprintf(names[i], sizeof names[i], "%s.%u", study, i + 1);
        slices[i] =
            (struct slice){.study = study, .series = "1.2.9", .instance = names[i], .noise = i + 1};
    }
    vault_manifest(&s->world.vault, &gate, revision, slices, 2);
    OK(spool_manifest_acked(s->spool, study, revision, &err));
    uplink_stop(&s->up);
    archive_world_heal(&s->world);
}

static void
throw_away(struct archive_site *s, uint64_t id)
{
    OK(spool_set_quarantined(s->spool, id, "damaged: drawn", &err));
    OK(spool_discard(s->spool, id, "other", "li.wei", &err));
}

/* Until the centre has the newest list; that one names so many. */
static void
wait_list(struct archive_site *s, const char *study, uint32_t revision, size_t count)
{
    int64_t until = clock_mono_ms() + ARCHIVE_SITE_WAIT_MS;
    struct keep_list list = {.revision = 0};
    struct spool_study here;
    uint64_t seen = 0;

    for (;;) {
        OK(spool_study(s->spool, study, &here, &err));
        if (here.leaving == 0 && here.acked_revision == here.revision)
            break;
        if (clock_mono_ms() >= until)
            fail_msg("list %u, told %u, leaving %u", here.revision, here.acked_revision,
                     (unsigned)here.leaving);
        seen = spool_wait(s->spool, seen, 50);
    }
    OK(keep_list_get(s->world.vault.keep, "clinic-a", study, 0, &list, &err));
    assert_int_equal(list.revision, revision);
    assert_int_equal(list.count, count);
    keep_list_fini(&list);
}

static void
a_list_is_told_anew_without_what_was_thrown_away_and_its_study_is_sealed(void **state)
{
    static const char study[] = "1.2.8.1";
    struct archive_site s;
    int sealed;

    (void)state;
    archive_site_open(&s, "thrown", -1);
    tell_two(&s, study);
    OK(spool_set_quarantined(s.spool, 2, "damaged: drawn", &err));
    archive_site_start(&s);
    archive_site_wait(&s, INSTANCE_HELD, 1);
    OK(keep_work(s.world.vault.keep, &sealed, &err));
    assert_int_equal(sealed, 0); /* it waits for the other */

    OK(spool_discard(s.spool, 2, "other", "li.wei", &err));

    archive_site_wait(&s, INSTANCE_SEALED, 1);
    wait_list(&s, study, 2, 1);
    archive_site_close(&s);
}

static void
a_list_of_which_all_was_thrown_away_is_told_empty(void **state)
{
    static const char study[] = "1.2.8.2";
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "thrown_all", -1);
    tell_two(&s, study);
    throw_away(&s, 1);
    throw_away(&s, 2);
    archive_site_start(&s);

    wait_list(&s, study, 2, 0);
    archive_site_receive(&s, "1.2.8.3", 1); /* and the others go on */
    archive_site_wait(&s, INSTANCE_SEALED, 1);
    archive_site_close(&s);
}

/* Told, and its answer lost with the power; one was kept aside since. */
static void
a_list_that_the_centre_has_otherwise_is_told_under_the_next_number(void **state)
{
    static const char study[] = "1.2.8.4";
    struct slice other = {.study = study, .series = "1.2.9", .instance = "1.2.8.4.9", .noise = 9};
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "otherwise", -1);
    vault_manifest(&s.world.vault, &gate, 1, &other, 1);
    archive_site_receive(&s, study, 1);

    archive_site_wait(&s, INSTANCE_SEALED, 1);
    wait_list(&s, study, 2, 2); /* nobody said that the other has left */
    archive_site_close(&s);
}

struct closer {
    struct archive_site *s;
    const char *study;
    bool is_done;
    int rc;
};

/* The teller asks before it reads the lines: just then a person throws one away and closes the next
 * list. */
static bool
close_meanwhile(void *user, const char *study, uint32_t *out_missing)
{
    struct closer *c = user;
    struct err why;

    if (c->is_done || strcmp(study, c->study) != 0)
        return false;
    c->is_done = true;
    c->rc = spool_discard(c->s->spool, 2, "other", "li.wei", &why) < 0 ||
                    uplink_close_study(c->s->up, study, &why) < 0
                ? -1
                : 0;
    *out_missing = 1;
    return true;
}

/* It was told under the old number without what had moved to the new one, which the centre refuses:
 * both lists waited for a minute. */
static void
a_list_that_is_closed_anew_while_it_is_read_is_not_told_short(void **state)
{
    static const char study[] = "1.2.8.5";
    struct archive_site s;
    struct closer closer = {.s = &s, .study = study, .rc = -1};

    (void)state;
    archive_site_open(&s, "closed_anew", -1);
    tell_two(&s, study);
    OK(spool_set_quarantined(s.spool, 2, "damaged: drawn", &err));
    archive_site_start(&s);
    archive_site_wait(&s, INSTANCE_HELD, 1);
    uplink_ask_missing(s.up, close_meanwhile, &closer);
    OK(uplink_close_study(s.up, study, &err)); /* nothing new: the teller looks again */

    archive_site_wait(&s, INSTANCE_SEALED, 1);
    wait_list(&s, study, 2, 1);
    uplink_ask_missing(s.up, NULL, NULL);
    assert_int_equal(closer.rc, 0);
    archive_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_told_anew_without_what_was_thrown_away_and_its_study_is_sealed),
        cmocka_unit_test(a_list_of_which_all_was_thrown_away_is_told_empty),
        cmocka_unit_test(a_list_that_the_centre_has_otherwise_is_told_under_the_next_number),
        cmocka_unit_test(a_list_that_is_closed_anew_while_it_is_read_is_not_told_short),
    };
    int status;

    if (!archive_site_begin(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    archive_site_end();
    return status;
}
