/* test_whose.c - the same instance again, a correction, a conflict; what is odd about whose it is.
 * A real spool and real codec workers, no line: all of it must be known without the centre. */
#include "gateway/spool/internal.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"
#include "proto/model/doubts.h"
#include "proto/model/quarantine.h"
#include "tests/support/folder.h"
#include "tests/support/ok.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CT_IMAGE "1.2.840.10008.5.1.4.1.1.2"
enum { SIDE = 16, WAIT_MS = 60000 };

struct site {
    char folder[FOLDER_PATH_BYTES];
    char spool_dir[256], link_dir[256];
    struct spool_options spool_options;
    struct spool *spool;
    struct codec_pool *pool;
    struct uplink *up;
};

struct image {
    const char *id, *name, *sex, *birth, *date, *study, *series, *sop, *comment;
    const char *ae;
    int shade;
};

/* id, name, sex, birth, date, study, series, sop, comment, ae, shade */
static const struct image first = {"R1",      "WANG^AN",   "F",           "19800102", "20260301",
                                   "1.2.3.1", "1.2.3.1.1", "1.2.3.1.1.1", "x",        "CT1",
                                   7};

static struct err err;

static struct spool *_Atomic thrown_in; /* once a coder has looked into the copy, */
static uint64_t thrown, copy;           /* what it repeats is thrown away */

int
pthread_mutex_lock(pthread_mutex_t *lock)
{
    static int (*really)(pthread_mutex_t *);
    struct spool *sp = thrown_in;
    char thread[16] = "";

    if (really == NULL)
        *(void **)&really = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    if (sp != NULL && lock == &sp->gate.lock &&
        pthread_getname_np(pthread_self(), thread, sizeof thread) == 0 &&
        strcmp(thread, "up-code") == 0 && really(lock) == 0) { /* so it does not hold it */
        bool is_due = ledger_find(&sp->ledger, copy)->r.state == INSTANCE_INSPECTED;

        pthread_mutex_unlock(lock);
        if (is_due && atomic_exchange(&thrown_in, NULL) != NULL)
            (void)!spool_discard(sp, thrown, "other", "li.wei", &(struct err){0});
    }
    return really(lock);
}

static void
site_start(struct site *s)
{
    struct uplink_options o = {.link_dir = s->link_dir,
                               .connections = 1,
                               .coders = 2,
                               .bundle_bytes = 65536,
                               .backoff_ms = 20,
                               .backoff_max_ms = 100,
                               .stall_ms = 5000,
                               .quiet_ms = 300,
                               .look_hold_ms = 30000,
                               .recheck_ms = 3600000};

    OK(spool_open(s->spool_dir, &s->spool_options, &s->spool, &err));
    OK(uplink_start(&o, s->spool, s->pool, &s->up, &err));
}

static void
site_stop(struct site *s)
{
    uplink_stop(&s->up);
    spool_close(&s->spool);
}

static void
site_open(struct site *s)
{
    memset(s, 0, sizeof *s);
    folder_make("whose", s->folder);
    snprintf(s->spool_dir, sizeof s->spool_dir, "%s/spool", s->folder);
    snprintf(s->link_dir, sizeof s->link_dir, "%s/link", s->folder);
    s->spool_options = (struct spool_options){.segment_bytes = 1 << 20};
    OK(codec_pool_new(2, &s->pool, &err));
    site_start(s);
}

static void
site_close(struct site *s)
{
    site_stop(s);
    codec_pool_free(&s->pool);
    folder_remove(s->folder);
}

static void
write_some(struct dcm_writer *w, uint32_t tag, const char *text)
{
    if (text != NULL)
        dcm_write_text(w, tag, NULL, text);
}

static void
picture(struct buf *out, const struct image *image)
{
    uint8_t pixels[SIDE * SIDE];
    struct dcm_writer w;

    OK(part10_head(out, CT_IMAGE, image->sop, DCM_UID_EXPLICIT_LE, NULL, &err));
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, NULL, CT_IMAGE);
    dcm_write_text(&w, 0x00080018, NULL, image->sop);
    write_some(&w, 0x00080020, image->date);
    dcm_write_text(&w, 0x00080060, NULL, "CT");
    write_some(&w, 0x00100010, image->name);
    write_some(&w, 0x00100020, image->id);
    write_some(&w, 0x00100030, image->birth);
    write_some(&w, 0x00100040, image->sex);
    write_some(&w, 0x0020000D, image->study);
    write_some(&w, 0x0020000E, image->series);
    write_some(&w, 0x00204000, image->comment);
    memset(pixels, image->shade, sizeof pixels);
    dcm_write_u16(&w, 0x00280002, 1);
    dcm_write_text(&w, 0x00280004, NULL, "MONOCHROME2");
    dcm_write_u16(&w, 0x00280010, SIDE);
    dcm_write_u16(&w, 0x00280011, SIDE);
    dcm_write_u16(&w, 0x00280100, 8);
    dcm_write_u16(&w, 0x00280101, 8);
    dcm_write_u16(&w, 0x00280102, 7);
    dcm_write_u16(&w, 0x00280103, 0);
    dcm_write_bytes(&w, 0x7FE00010, "OW", pixels, sizeof pixels);
}

/* Until nobody is at it any more; the caller frees it. */
static struct spool_entry *
wait_entry(struct site *s, uint64_t id)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    struct spool_entry *entry = NULL;
    uint64_t seen = 0;

    for (;;) {
        OK(spool_load(s->spool, id, &entry, &err));
        if (entry->state != INSTANCE_RECEIVED && entry->state != INSTANCE_INSPECTED)
            return entry;
        spool_entry_free(&entry);
        assert_true(clock_mono_ms() < until);
        seen = spool_wait(s->spool, seen, 200);
    }
}

static uint64_t
send_without_waiting(struct site *s, const struct image *image)
{
    struct spool_meta meta = {.sop_class = CT_IMAGE,
                              .transfer_syntax = DCM_UID_EXPLICIT_LE,
                              .association = spool_association_begin(s->spool)};
    struct spool_draft *draft = NULL;
    struct buf file;
    uint64_t id;

    text_copy(meta.sop_instance, sizeof meta.sop_instance, image->sop);
    text_copy(meta.calling_ae, sizeof meta.calling_ae, image->ae);
    buf_init(&file, 1 << 20);
    picture(&file, image);
    OK(spool_draft_begin(s->spool, &meta, &draft, &err));
    OK(spool_draft_write(draft, file.bytes, file.n, &err));
    OK(spool_commit(s->spool, &draft, &id, &err));
    spool_association_end(s->spool, meta.association);
    buf_fini(&file);
    return id;
}

/* One association with one image: how it ended, and why. */
static enum instance_state
send_image(struct site *s, const struct image *image, uint64_t *out_id, uint32_t *out_doubts,
           enum quarantine *out_why)
{
    uint64_t id = send_without_waiting(s, image);
    struct spool_entry *entry = wait_entry(s, id);
    enum instance_state state = entry->state;

    if (out_id != NULL)
        *out_id = id;
    if (out_doubts != NULL)
        *out_doubts = entry->facts.doubts;
    if (out_why != NULL)
        *out_why = quarantine_of(entry->last_error);
    spool_entry_free(&entry);
    return state;
}

static void
the_same_instance_again_is_no_copy_across_associations_and_restarts(void **state)
{
    struct spool_entry *entry;
    uint64_t id, again;
    struct site s;

    (void)state;
    site_open(&s);
    assert_int_not_equal(send_image(&s, &first, &id, NULL, NULL), INSTANCE_DUPLICATE);
    assert_int_equal(send_image(&s, &first, &again, NULL, NULL), INSTANCE_DUPLICATE);
    entry = wait_entry(&s, again);
    assert_int_equal(entry->twin_of, id);
    spool_entry_free(&entry);
    site_stop(&s);
    site_start(&s);
    assert_int_equal(send_image(&s, &first, &again, NULL, NULL), INSTANCE_DUPLICATE);
    entry = wait_entry(&s, again);
    assert_int_equal(entry->twin_of, id);
    spool_entry_free(&entry);
    site_close(&s);
}

static void
it_is_no_copy_either_when_the_first_is_sealed_and_its_bytes_are_gone(void **state)
{
    struct spool_bytes bytes;
    struct site s;
    uint64_t id;

    (void)state;
    site_open(&s);
    send_image(&s, &first, &id, NULL, NULL);
    OK(spool_set_held(s.spool, id, 0, &err));
    OK(spool_set_sealed(s.spool, id, 0, &err));
    site_stop(&s); /* the segment is closed: the next start begins another */
    site_start(&s);
    (void)spool_collect_garbage(s.spool);
    assert_int_equal(spool_source_received(s.spool, id, &bytes, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(send_image(&s, &first, NULL, NULL, NULL), INSTANCE_DUPLICATE);
    site_close(&s);
}

static void
another_patient_or_study_on_the_same_pixels_is_asked_about(void **state)
{
    struct image rows[] = {first, first, first, first};
    const char *names[] = {"name", "id", "study", "date"};
    enum quarantine why;

    (void)state;
    rows[0].name = "LI^BO";
    rows[1].id = "R2";
    rows[2].study = "1.2.3.2";
    rows[3].date = "20260302";
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct site s;

        site_open(&s);
        send_image(&s, &first, NULL, NULL, NULL);
        if (send_image(&s, &rows[i], NULL, NULL, &why) != INSTANCE_QUARANTINED ||
            why != QUARANTINE_OTHER_PATIENT)
            fail_msg("%s: not put aside as other_patient", names[i]);
        assert_int_equal(send_image(&s, &rows[i], NULL, NULL, NULL), INSTANCE_DUPLICATE);
        assert_int_equal(send_image(&s, &first, NULL, NULL, NULL), INSTANCE_DUPLICATE);
        site_close(&s);
    }
}

static void
other_pixels_or_another_data_set_conflict(void **state)
{
    struct image pixels = first, comment = first;
    enum quarantine why;
    struct site s;

    (void)state;
    pixels.shade = 8;
    comment.comment = "y";
    site_open(&s);
    send_image(&s, &first, NULL, NULL, NULL);
    assert_int_equal(send_image(&s, &pixels, NULL, NULL, &why), INSTANCE_QUARANTINED);
    assert_int_equal(why, QUARANTINE_UID_CONFLICT);
    assert_int_equal(send_image(&s, &comment, NULL, NULL, &why), INSTANCE_QUARANTINED);
    assert_int_equal(why, QUARANTINE_UID_CONFLICT);
    pixels.id = "R2"; /* another patient as well: still a conflict */
    assert_int_equal(send_image(&s, &pixels, NULL, NULL, &why), INSTANCE_QUARANTINED);
    assert_int_equal(why, QUARANTINE_UID_CONFLICT);
    site_close(&s);
}

/* Thrown away, and sent again by a device that keeps its queue: never taken as new in silence. */
static void
what_was_thrown_away_and_comes_again_is_kept_aside_until_a_person_wants_it(void **state)
{
    struct image bad = first, other = first;
    enum quarantine why;
    uint64_t id, again;
    struct spool_entry *entry;
    struct site s;

    (void)state;
    bad.shade = 8;
    other.shade = 9;
    site_open(&s);
    send_image(&s, &first, NULL, NULL, NULL);
    assert_int_equal(send_image(&s, &bad, &id, NULL, &why), INSTANCE_QUARANTINED);
    OK(spool_discard(s.spool, id, "equipment", "li.wei", &err));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(send_image(&s, &bad, round == 0 ? &again : NULL, NULL, &why),
                         round == 0 ? INSTANCE_QUARANTINED : INSTANCE_DUPLICATE);
        assert_int_equal(why, round == 0 ? QUARANTINE_DISCARDED : QUARANTINE_OTHER);
        site_stop(&s);
        site_start(&s);
    }
    assert_int_equal(send_image(&s, &first, NULL, NULL, NULL), INSTANCE_DUPLICATE);
    assert_int_equal(send_image(&s, &other, NULL, NULL, &why), INSTANCE_QUARANTINED);
    assert_int_equal(why, QUARANTINE_UID_CONFLICT);
    OK(spool_release(s.spool, again, &err)); /* wanted: then judged by what is kept, as before */
    entry = wait_entry(&s, again);
    assert_int_equal(quarantine_of(entry->last_error), QUARANTINE_UID_CONFLICT);
    spool_entry_free(&entry);
    site_close(&s);
}

static void
what_was_thrown_away_unread_is_known_by_its_file_and_another_image_of_its_uid_goes(void **state)
{
    struct image other = first;
    enum quarantine why;
    struct spool_entry *entry;
    uint64_t id, again;
    struct site s;

    (void)state;
    site_open(&s);
    send_image(&s, &first, &id, NULL, NULL);
    OK(spool_set_quarantined(s.spool, id, "other: drawn", &err));
    OK(spool_discard(s.spool, id, "other", "li.wei", &err));
    other.shade = 9; /* corrected on the device, under its old number */
    assert_int_not_equal(send_image(&s, &other, NULL, NULL, NULL), INSTANCE_QUARANTINED);
    assert_int_equal(send_image(&s, &first, &again, NULL, &why), INSTANCE_QUARANTINED);
    assert_int_equal(why, QUARANTINE_DISCARDED);
    OK(spool_release(s.spool, id, &err)); /* taken back itself */
    entry = wait_entry(&s, id);
    assert_int_not_equal(entry->state, INSTANCE_RECEIVED);
    spool_entry_free(&entry);
    site_close(&s);
}

static void
what_is_taken_back_goes_its_way_though_it_came_again_meanwhile(void **state)
{
    struct spool_entry *entry;
    enum quarantine why;
    uint64_t id, again;
    struct site s;

    (void)state;
    site_open(&s);
    send_image(&s, &first, &id, NULL, NULL);
    OK(spool_set_quarantined(s.spool, id, "other: drawn", &err));
    OK(spool_discard(s.spool, id, "other", "li.wei", &err));
    assert_int_equal(send_image(&s, &first, &again, NULL, &why), INSTANCE_QUARANTINED);
    assert_int_equal(why, QUARANTINE_DISCARDED);

    OK(spool_release(s.spool, id, &err));

    entry = wait_entry(&s, id);
    assert_int_not_equal(entry->state, INSTANCE_DUPLICATE);
    assert_int_not_equal(entry->state, INSTANCE_QUARANTINED);
    spool_entry_free(&entry);
    OK(spool_release(s.spool, again, &err)); /* wanted, too: then it is the copy */
    entry = wait_entry(&s, again);
    assert_int_equal(entry->state, INSTANCE_DUPLICATE);
    assert_int_equal(entry->twin_of, id);
    spool_entry_free(&entry);
    site_close(&s);
}

/* It was put aside as if its numbers could not be used. */
static void
what_is_wanted_goes_though_what_it_repeats_is_thrown_away_just_then(void **state)
{
    struct spool_entry *entry;
    struct site s;

    (void)state;
    site_open(&s);
    send_image(&s, &first, &thrown, NULL, NULL);
    OK(spool_set_quarantined(s.spool, thrown, "other: drawn", &err));
    OK(spool_discard(s.spool, thrown, "other", "li.wei", &err));
    send_image(&s, &first, &copy, NULL, NULL);
    OK(spool_release(s.spool, thrown, &err));
    spool_entry_free(&(struct spool_entry *){wait_entry(&s, thrown)});
    OK(spool_set_quarantined(s.spool, thrown, "uid_conflict: drawn", &err));
    thrown_in = s.spool;
    OK(spool_release(s.spool, copy, &err));

    entry = wait_entry(&s, copy);
    assert_string_equal(entry->last_error, "");
    assert_int_not_equal(entry->state, INSTANCE_QUARANTINED);
    assert_int_not_equal(entry->state, INSTANCE_DUPLICATE);
    spool_entry_free(&entry);
    site_close(&s);
}

static void
of_many_at_once_one_goes_and_the_others_are_copies(void **state)
{
    enum { MANY = 12 };
    uint64_t ids[MANY];
    int copies = 0;
    struct site s;

    (void)state;
    site_open(&s);
    for (int i = 0; i < MANY; i++)
        ids[i] = send_without_waiting(&s, &first);
    for (int i = 0; i < MANY; i++) {
        struct spool_entry *entry = wait_entry(&s, ids[i]);

        copies += entry->state == INSTANCE_DUPLICATE;
        spool_entry_free(&entry);
    }
    assert_int_equal(copies, MANY - 1);
    site_close(&s);
}

static void
what_is_odd_is_taken_kept_and_flagged(void **state)
{
    struct image check = first, none = first, old = first, import;
    uint32_t doubts;
    struct site s;

    (void)state;
    site_open(&s);
    assert_int_not_equal(send_image(&s, &first, NULL, &doubts, NULL), INSTANCE_QUARANTINED);
    assert_int_equal(doubts, 0);
    check.id = "110105194912310021";
    check.study = "1.2.3.7";
    check.sop = "1.2.3.7.1";
    assert_int_not_equal(send_image(&s, &check, NULL, &doubts, NULL), INSTANCE_QUARANTINED);
    assert_int_equal(doubts, DOUBT_ID_CHECK);
    none.id = "1";
    none.study = "1.2.3.8";
    none.sop = "1.2.3.8.1";
    assert_int_not_equal(send_image(&s, &none, NULL, &doubts, NULL), INSTANCE_QUARANTINED);
    assert_int_equal(doubts, DOUBT_NO_PATIENT);
    old.date = "19700101";
    old.study = "1.2.3.9";
    old.sop = "1.2.3.9.1";
    import = old;
    assert_int_not_equal(send_image(&s, &old, NULL, &doubts, NULL), INSTANCE_QUARANTINED);
    assert_int_equal(doubts, DOUBT_STUDY_DATE);
    import.ae = "IMPORT";
    import.date = "19910101";
    import.study = "1.2.3.10";
    import.sop = "1.2.3.10.1";
    assert_int_not_equal(send_image(&s, &import, NULL, &doubts, NULL), INSTANCE_QUARANTINED);
    assert_int_equal(doubts, 0);
    site_close(&s);
}

static void
a_study_number_used_for_another_patient_is_flagged_also_after_a_restart(void **state)
{
    struct image same = first, other = first, silent = first;
    uint32_t doubts;
    struct site s;

    (void)state;
    same.sop = "1.2.3.1.1.2";
    same.name = "wang an"; /* another device's way to write it */
    other.sop = "1.2.3.1.1.3";
    other.id = "R2";
    other.name = "LI^BO";
    silent.sop = "1.2.3.1.1.4";
    silent.id = silent.name = NULL;
    site_open(&s);
    send_image(&s, &first, NULL, NULL, NULL);
    send_image(&s, &same, NULL, &doubts, NULL);
    assert_int_equal(doubts, 0);
    send_image(&s, &other, NULL, &doubts, NULL);
    assert_int_equal(doubts, DOUBT_UID_REUSED);
    send_image(&s, &silent, NULL, &doubts, NULL);
    assert_int_equal(doubts, DOUBT_NO_PATIENT);
    site_stop(&s);
    site_start(&s);
    other.sop = "1.2.3.1.1.5";
    send_image(&s, &other, NULL, &doubts, NULL);
    assert_int_equal(doubts, DOUBT_UID_REUSED);
    site_close(&s);
}

static void
gbk_as_latin1(void *user, const char *ae, const char *address, char out[20])
{
    (void)user;
    (void)address;
    if (strcmp(ae, "OLD") == 0)
        text_copy(out, 20, "GBK-AS-IR100");
}

/* One rare character alone proves nothing by itself: only the device's row knows. */
static void
a_devices_row_says_how_its_texts_are_read(void **state)
{
    struct image rare = first;
    uint32_t doubts;
    struct site s;

    (void)state;
    rare.name = "\xAB\x5C"; /* GBK 玕: a byte 5C at the end */
    site_open(&s);
    uplink_set_profile(s.up, gbk_as_latin1, NULL);
    rare.ae = "OLD";
    send_image(&s, &rare, NULL, &doubts, NULL);
    assert_int_equal(doubts, 0);
    uplink_set_profile(s.up, NULL, NULL);
    site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_instance_again_is_no_copy_across_associations_and_restarts),
        cmocka_unit_test(it_is_no_copy_either_when_the_first_is_sealed_and_its_bytes_are_gone),
        cmocka_unit_test(another_patient_or_study_on_the_same_pixels_is_asked_about),
        cmocka_unit_test(other_pixels_or_another_data_set_conflict),
        cmocka_unit_test(
            what_was_thrown_away_and_comes_again_is_kept_aside_until_a_person_wants_it),
        cmocka_unit_test(
            what_was_thrown_away_unread_is_known_by_its_file_and_another_image_of_its_uid_goes),
        cmocka_unit_test(what_is_taken_back_goes_its_way_though_it_came_again_meanwhile),
        cmocka_unit_test(what_is_wanted_goes_though_what_it_repeats_is_thrown_away_just_then),
        cmocka_unit_test(of_many_at_once_one_goes_and_the_others_are_copies),
        cmocka_unit_test(what_is_odd_is_taken_kept_and_flagged),
        cmocka_unit_test(a_study_number_used_for_another_patient_is_flagged_also_after_a_restart),
        cmocka_unit_test(a_devices_row_says_how_its_texts_are_read),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
