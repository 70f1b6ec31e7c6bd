/* test_unnumbered.c - images whose study or series has no number that can be used go to the centre
 * under a made one, the same that the centre makes (docs/formats/made-uid.md). A real spool, uplink
 * and archive. */
#include "proto/dicom/leaving.h"
#include "proto/dicom/syntax.h"
#include "proto/model/doubts.h"
#include "tests/support/archive_site.h"
#include "tests/support/ok.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

static struct err err;

static uint64_t
receive(struct archive_site *s, const char *study, const char *series, unsigned number)
{
    struct spool_meta meta = {.transfer_syntax = DCM_UID_EXPLICIT_LE,
                              .sop_class = "1.2.840.10008.5.1.4.1.1.2"};
    struct slice slice = {
        .study = study, .series = series, .instance = meta.sop_instance, .noise = number};
    struct spool_draft *draft = NULL;
    struct buf file;
    uint64_t id;

    snprintf(meta.sop_instance, sizeof meta.sop_instance, "1.2.9.%u", number);
    slice_make(&slice, &file);
    OK(spool_draft_begin(s->spool, &meta, &draft, &err));
    OK(spool_draft_write(draft, file.bytes, file.n, &err));
    OK(spool_commit(s->spool, &draft, &id, &err));
    buf_fini(&file);
    return id;
}

/* As a workstation got it, by the number of the study it asked for, and sends it to us. */
static enum instance_state
send_back(struct archive_site *s, const struct slice *slice)
{
    static const struct dcm_known as = {"2.25.123", "2.25.4567", ""};
    struct spool_meta meta = {.transfer_syntax = DCM_UID_EXPLICIT_LE,
                              .sop_class = "1.2.840.10008.5.1.4.1.1.2"};
    struct dcm_leaving l = {.fd = -1};
    struct spool_entry *entry = NULL;
    struct spool_draft *draft = NULL;
    uint64_t id, seen = 0;
    enum instance_state state;
    struct buf file;
    int fd = memfd_create("kept", MFD_CLOEXEC);

    slice_make(slice, &file);
    assert_int_equal(pwrite(fd, file.bytes, file.n, 0), file.n);
    OK(dcm_leaving_open(&l, fd, 0, file.n, &as, 0, &err));
    assert_true(l.is_coerced);
    buf_clear(&file);
    OK(dcm_leaving_read(&l, buf_reserve(&file, (size_t)l.size), (size_t)l.size, 0, &err));
    snprintf(meta.sop_instance, sizeof meta.sop_instance, "%s", slice->instance);
    OK(spool_draft_begin(s->spool, &meta, &draft, &err));
    OK(spool_draft_write(draft, file.bytes, (size_t)l.size, &err));
    OK(spool_commit(s->spool, &draft, &id, &err));
    dcm_leaving_close(&l);
    buf_fini(&file);
    do {
        spool_entry_free(&entry);
        seen = spool_wait(s->spool, seen, 200);
        OK(spool_load(s->spool, id, &entry, &err));
    } while (entry->state == INSTANCE_RECEIVED || entry->state == INSTANCE_INSPECTED);
    state = entry->state;
    spool_entry_free(&entry);
    return state;
}

static void
what_left_under_a_made_number_and_comes_back_is_a_copy_of_what_is_kept(void **state)
{
    static const struct {
        const char *name, *study, *series;
    } rows[] = {
        {"letters", "1.2.abc", "1.2.3.1"},
        {"neither", "", ""},
        {"no series", "1.2.3", ""},
        {"of another study by now", "1.2.3", "1.2.3.1"},
    };

    struct archive_site s;

    (void)state;
    archive_site_open(&s, "returned", -1);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        char instance[16];
        struct slice kept = {
            .study = rows[i].study, .series = rows[i].series, .instance = instance, .noise = i + 1};
        struct slice pixels = kept, name = kept, number = kept;

        snprintf(instance, sizeof instance, "1.2.9.%u", i + 1);
        receive(&s, kept.study, kept.series, i + 1);
        archive_site_wait(&s, INSTANCE_SEALED, i + 1);
        if (send_back(&s, &kept) != INSTANCE_DUPLICATE)
            fail_msg("%s: it is not known again", rows[i].name);

        pixels.noise = 99; /* what differs in anything else is kept, and told */
        name.patient_name = "LI^BO";
        number.number = 7;
        assert_int_equal(send_back(&s, &pixels), INSTANCE_QUARANTINED);
        assert_int_equal(send_back(&s, &name), INSTANCE_QUARANTINED);
        assert_int_equal(send_back(&s, &number), INSTANCE_QUARANTINED);
    }
    archive_site_close(&s);
}

static int
count_sealed(void *user, const struct keep_place *place, struct err *ignored)
{
    (void)ignored;
    *(size_t *)user += place->is_sealed;
    return 0;
}

static void
what_has_no_usable_number_is_sealed_under_a_made_one_and_flagged(void **state)
{
    static const struct {
        const char *name, *study, *series;
        uint32_t doubts;
        bool is_study_kept, is_series_kept;
    } rows[] = {
        {"fine", "1.2.3", "1.2.3.1", 0, true, true},
        {"a leading nought, as many devices write", "1.2.03", "1.2.3.2", DOUBT_BAD_UID, true, true},
        {"no study", "", "1.2.3.3", DOUBT_BAD_UID | DOUBT_MADE_UID, false, true},
        {"letters", "1.2.abc", "1.2.3.4", DOUBT_BAD_UID | DOUBT_MADE_UID, false, true},
        {"no series", "1.2.4", "", DOUBT_BAD_UID | DOUBT_MADE_UID, true, false},
        {"neither", "", "", DOUBT_BAD_UID | DOUBT_MADE_UID, false, false},
    };
    uint64_t ids[ARRAY_LEN(rows)];
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "unnumbered", -1);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        ids[i] = receive(&s, rows[i].study, rows[i].series, i + 1);
    archive_site_wait(&s, INSTANCE_SEALED, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct spool_entry *entry = NULL;
        const struct spool_inspection *f;
        size_t sealed = 0;

        OK(spool_load(s.spool, ids[i], &entry, &err));
        f = &entry->facts;
        if ((f->doubts & (DOUBT_BAD_UID | DOUBT_MADE_UID)) != rows[i].doubts ||
            (strcmp(f->study_uid, rows[i].study) == 0) != rows[i].is_study_kept ||
            (strcmp(f->series_uid, rows[i].series) == 0) != rows[i].is_series_kept)
            fail_msg("%s: %s, %s, doubts %x", rows[i].name, f->study_uid, f->series_uid, f->doubts);
        OK(keep_instances(s.world.vault.keep, "clinic-a", f->study_uid, f->series_uid,
                          entry->meta.sop_instance, count_sealed, &sealed, &err));
        assert_int_equal(sealed, 1);
        spool_entry_free(&entry);
    }
    archive_site_close(&s);
}

/* A version before this one kept aside what had no usable number. */
static void
what_was_kept_aside_for_its_number_goes_after_the_upgrade_and_nothing_else(void **state)
{
    uint64_t old, other;
    struct archive_site s;
    struct spool_entry *entry = NULL;

    (void)state;
    archive_site_open(&s, "upgraded", -1);
    uplink_stop(&s.up);
    old = receive(&s, "", "1.2.3.1", 1);
    other = receive(&s, "", "1.2.3.1", 2);
    OK(spool_set_quarantined(s.spool, old, "refused: its study or series number cannot be used",
                             &err));
    OK(spool_set_quarantined(s.spool, other, "refused: by the centre", &err));

    archive_site_start(&s);

    archive_site_wait(&s, INSTANCE_SEALED, 1);
    OK(spool_load(s.spool, old, &entry, &err));
    assert_int_equal(entry->state, INSTANCE_SEALED);
    spool_entry_free(&entry);
    OK(spool_load(s.spool, other, &entry, &err));
    assert_int_equal(entry->state, INSTANCE_QUARANTINED);
    spool_entry_free(&entry);
    archive_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_no_usable_number_is_sealed_under_a_made_one_and_flagged),
        cmocka_unit_test(what_left_under_a_made_number_and_comes_back_is_a_copy_of_what_is_kept),
        cmocka_unit_test(
            what_was_kept_aside_for_its_number_goes_after_the_upgrade_and_nothing_else),
    };
    int status;

    if (!archive_site_begin(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    archive_site_end();
    return status;
}
