/* test_keep_aside.c - what contradicts is kept: packed in every store whenever it comes, listed or
 * not, found again by the operator, and no news of its study. */
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/dicom/facts.h"
#include "proto/link/reconcile.h"
#include "proto/trust/digest.h"
#include "tests/support/audit_log.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "test"};
static const struct keep_sender gate_b = {"clinic-a", "gate-b", "test"};

static int
count_sealed(void *user, const struct keep_event *event)
{
    *(int *)user += strcmp(event->kind, "study.sealed") == 0;
    return 0;
}

static int
sealed_told(struct vault *a)
{
    struct err err;
    int n = 0;

    OK(keep_events(a->keep, "clinic-a", 0, 0, count_sealed, &n, &err));
    return n;
}

struct found {
    int n, packed, rejected;
    char pack[256], why[128];
};

static int
on_aside(void *user, const struct keep_aside *row)
{
    struct found *f = user;

    f->n++;
    f->packed += row->pack[0] != '\0';
    f->rejected += row->rejected_at_us != 0;
    text_copy(f->pack, sizeof f->pack, row->pack);
    text_copy(f->why, sizeof f->why, row->why);
    return 0;
}

static struct found
aside_of(struct vault *a, const char *tenant)
{
    struct found f = {0};
    struct err err;

    OK(keep_each_aside(a->keep, tenant, on_aside, &f, &err));
    return f;
}

/* A pack is stored, not compressed: the file's bytes lie in it as they are. */
static void
assert_is_in_pack(struct vault *a, const struct found *f, const struct buf *file)
{
    for (int store = 0; store < KEEP_COPIES; store++) {
        char path[512];
        uint8_t *bytes;
        struct err err;
        size_t n;

        snprintf(path, sizeof path, "%s/%s", a->stores[store], f->pack);
        OK(durable_get_file(path, 1 << 24, &bytes, &n, &err));
        assert_non_null(memmem(bytes, n, file->bytes, file->n));
        free(bytes);
    }
}

/* Its gateway lists nothing that was put aside, so no later list comes of it. */
static void
what_is_put_aside_after_the_list_was_complete_is_packed(void **state)
{
    struct slice s = vault_ct(1), other = vault_ct(1), wrong = vault_ct(2);
    struct found f;
    struct vault a;
    struct buf file;

    (void)state;
    other.noise = 99;
    wrong.patient_id = "P2";
    vault_open(&a, vault_cluster, "aside_late");
    vault_put(&a, &gate_a, &s);
    vault_manifest(&a, &gate_a, 1, &s, 1);
    assert_int_equal(vault_work(&a), 1);
    assert_int_equal(sealed_told(&a), 1);
    assert_int_equal(vault_put(&a, &gate_b, &other), LINK_QUARANTINED);

    f = aside_of(&a, "clinic-a");
    assert_int_equal(f.n, 1);
    assert_int_equal(f.packed, 0);
    assert_int_equal(vault_work(&a), 1);
    f = aside_of(&a, "clinic-a");
    assert_int_equal(f.packed, 1);
    assert_string_equal(f.why, "same UID, other pixels");
    slice_make(&other, &file);
    assert_is_in_pack(&a, &f, &file);
    buf_fini(&file);
    assert_int_equal(vault_work(&a), 0); /* cleaned, and nothing again */
    assert_int_equal(folder_files(a.landing), 0);
    assert_int_equal(sealed_told(&a), 1); /* it is no news of the study */

    assert_int_equal(vault_put(&a, &gate_b, &wrong), LINK_QUARANTINED);
    assert_int_equal(vault_work(&a), 1);
    f = aside_of(&a, NULL);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.packed, 2);
    assert_int_equal(aside_of(&a, "clinic-b").n, 0);
    vault_close(&a);
}

/* By its gateway it is as aside as before. */
static void
what_a_person_settled_is_named_no_more_once_it_is_in_the_audit(void **state)
{
    struct slice s = vault_ct(1), other = vault_ct(1);
    struct keep_health health;
    struct link_offer_object o;
    struct audit *audit = NULL;
    struct vault a;
    struct buf file;
    char dir[FOLDER_PATH_BYTES + 16];
    struct err err;
    int sealed;

    (void)state;
    other.noise = 99;
    vault_open(&a, vault_cluster, "aside_settled");
    vault_put(&a, &gate_a, &s);
    assert_int_equal(vault_put(&a, &gate_b, &other), LINK_QUARANTINED);
    slice_make(&other, &file);
    slice_offer(&other, &file, &o);
    buf_fini(&file);
    keep_close(&a.keep);
    snprintf(dir, sizeof dir, "%s/audit", a.dir);
    OK(audit_open(dir, "storage", &audit, &err));
    OK(keep_open_idle(&a.options, NULL, audit, &a.keep, &err));

    assert_int_equal(keep_aside_reject(a.keep, "clinic-b", o.object, "wrong", "li", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(keep_aside_reject(a.keep, "clinic-a", o.object, "wrong", "li xin", &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    OK(keep_aside_reject(a.keep, "clinic-a", o.object, "a test image", "li.xin", &err));
    OK(keep_health_get(a.keep, &health, &err));
    assert_int_equal(health.quarantined, 1); /* not yet */
    assert_int_equal(aside_of(&a, "clinic-a").rejected, 0);
    OK(keep_work(a.keep, &sealed, &err));

    OK(keep_health_get(a.keep, &health, &err));
    assert_int_equal(health.quarantined, 0);
    assert_int_equal(aside_of(&a, "clinic-a").rejected, 1);
    snprintf(dir, sizeof dir, "%s/audit/log", a.dir);
    assert_int_equal(audit_log_says(dir, "AUDIT_ASIDE_REJECTED", "li.xin"), 1);
    assert_int_equal(keep_aside_reject(a.keep, "clinic-a", o.object, "again", "li.xin", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(vault_put(&a, &gate_b, &other), LINK_QUARANTINED);
    keep_close(&a.keep);
    audit_close(&audit);
    vault_close(&a);
}

/* While others of the study are on their way: they are neither packed with it nor held up by it. */
static void
what_is_put_aside_does_not_close_nor_hold_up_its_study(void **state)
{
    struct slice one = vault_ct(1), other = vault_ct(1), two = vault_ct(2), both[2];
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    other.noise = 99;
    both[0] = one;
    both[1] = two;
    vault_open(&a, vault_cluster, "aside_open");
    vault_put(&a, &gate_a, &one);
    assert_int_equal(vault_put(&a, &gate_b, &other), LINK_QUARANTINED);
    assert_int_equal(vault_work(&a), 1); /* what is aside, alone */
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.sealed, 0);
    assert_int_equal(sealed_told(&a), 0);

    vault_put(&a, &gate_a, &two);
    vault_manifest(&a, &gate_a, 1, both, 2);
    vault_sql(&a, "UPDATE pack_jobs SET next_try_us = 9000000000000000 WHERE is_quarantine");
    assert_int_equal(vault_work(&a), 1);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.sealed, 2);
    assert_int_equal(sealed_told(&a), 1);
    vault_close(&a);
}

/* Not yet packed, and the landing disk died: the gateway is told to send it again. */
static void
what_is_aside_and_gone_from_the_landing_disk_is_wanted(void **state)
{
    struct slice s = vault_ct(1), other = vault_ct(1);
    struct link_offer_object o;
    struct link_objects asked = {.count = 1};
    struct link_answer answer;
    struct vault a;
    struct buf file;
    char path[400], hex[65];
    struct err err;

    (void)state;
    other.noise = 99;
    vault_open(&a, vault_cluster, "aside_gone");
    vault_put(&a, &gate_a, &s);
    assert_int_equal(vault_put(&a, &gate_b, &other), LINK_QUARANTINED);
    slice_make(&other, &file);
    slice_offer(&other, &file, &o);
    asked.objects = &o.object;
    OK(keep_reconcile_objects(a.keep, &gate_b, &asked, &answer, &err));
    assert_int_equal(answer.objects[0].state, LINK_QUARANTINED);
    link_answer_free(&answer);
    hex_encode(o.object, 32, hex);
    snprintf(path, sizeof path, "%s/whole/clinic-a-%s.dcm", a.landing, hex);
    assert_int_equal(unlink(path), 0);

    OK(keep_reconcile_objects(a.keep, &gate_b, &asked, &answer, &err));
    assert_int_equal(answer.objects[0].state, LINK_WANTED);
    link_answer_free(&answer);
    assert_int_equal(vault_put(&a, &gate_b, &other), LINK_QUARANTINED);
    OK(keep_reconcile_objects(a.keep, &gate_b, &asked, &answer, &err));
    assert_int_equal(answer.objects[0].state, LINK_QUARANTINED);
    link_answer_free(&answer);
    assert_int_equal(vault_work(&a), 1);
    assert_int_equal(aside_of(&a, NULL).packed, 1);
    buf_fini(&file);
    vault_close(&a);
}

static int
take_row(void *user, const struct keep_row *row)
{
    *(struct dcm_facts *)user = *row->facts;
    return 0;
}

static enum link_state
put_unreadable(struct vault *a, const struct slice *s)
{
    struct link_offer_object o;
    struct link_offer offer = {&o, 1};
    struct link_answer answer;
    enum link_state state;
    struct buf file;
    struct err err;

    slice_make(s, &file);
    slice_offer(s, &file, &o);
    memset(file.bytes + file.n - 700, 0xFF, 60); /* among its attributes, before 512 of pixels */
    digest_bytes(file.bytes, file.n, o.object);
    OK(keep_offer(a->keep, &gate_a, &offer, &answer, &err));
    link_answer_free(&answer);
    state = vault_send(a, &gate_a, &o, &file);
    buf_fini(&file);
    return state;
}

/* It came first. */
static void
what_is_put_aside_does_not_say_whose_its_study_is(void **state)
{
    const struct keep_query query = {.tenant = "clinic-a", .level = KEEP_SERIES};
    struct slice stranger = vault_ct(4);
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct vault a;
    struct slice s;
    struct err err;

    (void)state;
    stranger.patient_id = "P2";
    vault_open(&a, vault_cluster, "aside_first");
    s = vault_ct(1);
    assert_int_equal(put_unreadable(&a, &s), LINK_QUARANTINED);
    assert_string_equal(aside_of(&a, "clinic-a").why, "cannot be read");
    s = vault_ct(2);
    assert_int_equal(vault_put(&a, &gate_a, &s), LINK_HELD);
    s = vault_ct(3);
    assert_int_equal(vault_put(&a, &gate_a, &s), LINK_HELD);

    OK(keep_find(a.keep, &query, take_row, facts, &err));
    assert_string_equal(facts->patient_id, "P1");
    assert_string_equal(facts->patient_name, "WANG^XIAO");
    assert_string_equal(facts->study_description, "HEAD");
    assert_string_equal(facts->modality, "CT");
    assert_int_equal(facts->series_number, 2);
    assert_int_equal(vault_put(&a, &gate_a, &stranger), LINK_QUARANTINED);
    vault_close(&a);
    free(facts);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_aside_after_the_list_was_complete_is_packed),
        cmocka_unit_test(what_a_person_settled_is_named_no_more_once_it_is_in_the_audit),
        cmocka_unit_test(what_is_put_aside_does_not_close_nor_hold_up_its_study),
        cmocka_unit_test(what_is_aside_and_gone_from_the_landing_disk_is_wanted),
        cmocka_unit_test(what_is_put_aside_does_not_say_whose_its_study_is),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
