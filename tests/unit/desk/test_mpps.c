/* test_mpps.c - performed procedure steps: states and statuses, the order, what is expected; in the
 * book and over a real association. */
#include "gateway/desk/mpps.h"

#include "gateway/accept/accept.h"
#include "gateway/desk/dose_read.h"
#include "gateway/desk/mpps_read.h"
#include "gateway/desk/orders.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/write.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STEP_CLASS "1.2.840.10008.3.1.2.3.3"

/* What a step says of its patient; "" nothing. */
struct patient {
    const char *name, *id, *birth, *sex;
};

/* An N-CREATE for the order; with dose when it ends. */
static void
begin_set_of(struct buf *out, const struct order *o, const char *state, const struct patient *p)
{
    struct dcm_writer w;
    char step[ORDER_SH_SIZE];

    order_step_id(o, step);
    buf_init(out, 1 << 20);
    dcm_write_init(&w, out, DCM_IMPLICIT_LE);
    dcm_write_text(&w, 0x00080060, "CS", "CT");
    dcm_write_text(&w, 0x00100010, "PN", p->name);
    dcm_write_text(&w, 0x00100020, "LO", p->id);
    dcm_write_text(&w, 0x00100030, "DA", p->birth);
    dcm_write_text(&w, 0x00100040, "CS", p->sex);
    dcm_write_text(&w, 0x00400241, "AE", "CT_1");
    if (state != NULL)
        dcm_write_text(&w, 0x00400252, "CS", state);
    dcm_write_text(&w, 0x00400253, "SH", "PPS1");
    dcm_write_sequence_begin(&w, 0x00400270);
    dcm_write_item_begin(&w);
    dcm_write_text(&w, 0x00080050, "SH", o->accession);
    dcm_write_text(&w, 0x0020000D, "UI", o->study);
    dcm_write_text(&w, 0x00400009, "SH", step);
    dcm_write_item_end(&w);
    dcm_write_sequence_end(&w);
}

static void
begin_set(struct buf *out, const struct order *o, const char *state)
{
    begin_set_of(out, o, state, &(struct patient){"Wang^XiaoDong", "", "", ""});
}

/* An N-SET: images 1.2.3.1 to 1.2.3.n, a report 1.2.3.900, dose. */
static void
end_set_for(struct buf *out, const char *state, unsigned n, const char *reason)
{
    struct dcm_writer w;

    buf_init(out, 1 << 20);
    dcm_write_init(&w, out, DCM_IMPLICIT_LE);
    dcm_write_text(&w, 0x0018115E, "DS", "1.25");
    dcm_write_text(&w, 0x00400252, "CS", state);
    if (reason != NULL) {
        dcm_write_sequence_begin(&w, 0x00400281);
        dcm_write_item_begin(&w);
        dcm_write_text(&w, 0x00080100, "SH", reason);
        dcm_write_text(&w, 0x00080102, "SH", "DCM");
        dcm_write_item_end(&w);
        dcm_write_sequence_end(&w);
    }
    dcm_write_sequence_begin(&w, 0x0040030E);
    dcm_write_item_begin(&w);
    dcm_write_bytes(&w, 0x00189345, "FD", "\0\0\0\0\0\0\x24\x40", 8); /* 10.0 */
    dcm_write_item_end(&w);
    dcm_write_sequence_end(&w);
    dcm_write_sequence_begin(&w, 0x00400340);
    dcm_write_item_begin(&w);
    dcm_write_sequence_begin(&w, 0x00081140);
    for (unsigned i = 1; i <= n; i++) {
        char uid[65];
        snprintf(uid, sizeof uid, "1.2.3.%u", i);
        dcm_write_item_begin(&w);
        dcm_write_text(&w, 0x00081155, "UI", uid);
        dcm_write_item_end(&w);
    }
    dcm_write_sequence_end(&w);
    dcm_write_sequence_begin(&w, 0x00400220);
    dcm_write_item_begin(&w);
    dcm_write_text(&w, 0x00081155, "UI", "1.2.3.900");
    dcm_write_item_end(&w);
    dcm_write_sequence_end(&w);
    dcm_write_item_end(&w);
    dcm_write_sequence_end(&w);
}

static void
end_set(struct buf *out, const char *state, unsigned n)
{
    end_set_for(out, state, n, NULL);
}

static struct order *
an_order(void)
{
    static struct order o;
    char number[17];
    struct err err;

    person("王小东", "", "CT", number);
    assert_int_equal(order_find(book, number, &o, &err), 0);
    return &o;
}

static enum order_state
state_of(const struct order *o)
{
    struct order now;
    struct err err;

    assert_int_equal(order_find(book, o->registration, &now, &err), 0);
    return now.state;
}

static uint16_t
create(const char *uid, struct buf *set)
{
    struct mpps_said said;
    struct err err;
    uint16_t status;

    if (mpps_read(set->bytes, set->n, DCM_IMPLICIT_LE, "", &said, &err) < 0)
        fail_msg("%s", err.text);
    status = mpps_create(book, uid, "CT_1", &said, "{}", &err);
    mpps_said_fini(&said);
    buf_fini(set);
    return status;
}

static uint16_t
change(const char *uid, struct buf *set, uint16_t *error_id)
{
    struct mpps_said said;
    struct err err;
    uint16_t status;

    if (mpps_read(set->bytes, set->n, DCM_IMPLICIT_LE, "", &said, &err) < 0)
        fail_msg("%s", err.text);
    status = mpps_set(book, uid, &said, "{}", error_id, &err);
    mpps_said_fini(&said);
    buf_fini(set);
    return status;
}

static void
a_step_takes_its_order_along_and_is_durable(void **state)
{
    struct order *o = an_order();
    uint32_t expected, missing;
    struct dose_study dose;
    uint16_t error_id;
    struct buf set;
    struct err err;

    (void)state;
    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(create("2.25.5", &set), 0);
    assert_int_equal(state_of(o), ORDER_IN_PROGRESS);
    reopen();
    end_set(&set, "COMPLETED", 30);
    assert_int_equal(change("2.25.5", &set, &error_id), 0);
    reopen();

    assert_int_equal(state_of(o), ORDER_COMPLETED);
    assert_int_equal(mpps_expected(book, o->study, &expected, &missing, &err), 0);
    assert_int_equal(expected, 31);
    assert_int_equal(missing, 31);
    assert_int_equal(dose_get(book, o->study, &dose, &err), 0);
    assert_string_equal(dose.source, "mpps");
    assert_true(dose.dose.value[DOSE_DAP] > 124.99 && dose.dose.value[DOSE_DAP] < 125.01);
    assert_true(dose.dose.value[DOSE_CTDI] > 9.99 && dose.dose.value[DOSE_CTDI] < 10.01);
    assert_false(dose.dose.has[DOSE_DLP]);
}

/* The next patient's step went under the last one's entry, which the console still held: that order
 * was done, and left the worklists. */
static void
a_step_that_names_another_patient_leaves_the_order_as_it_was(void **state)
{
    static const struct {
        const char *what;
        struct patient said;
        bool is_its;
    } rows[] = {
        {"another sex", {"", "P100", "", "F"}, false},
        {"another birth date", {"", "", "19800808", ""}, false},
        {"another name", {"Zhao^Liu=赵六", "", "", ""}, false},
        {"a number of another order", {"", "P200", "", ""}, false},
        {"a number nobody knows beside another name", {"Ma^Liu", "X9", "", ""}, false},
        {"its own number beside another name", {"Ma^Liu=马六", "P100", "", ""}, false},
        {"nothing", {"", "", "", ""}, true},
        {"the patient, otherwise written", {"WANG XIAODONG", " p100", "19700707", "O"}, true},
    };
    struct order other = {.source = "http", .placer = "2", .patient_id = "P200", .name = "李四"};
    struct err err;

    (void)state;
    assert_int_equal(order_put(book, &other, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct order o = {.source = "http",
                          .patient_id = "P100",
                          .name = "王小东",
                          .sex = "M",
                          .birth = "19700707",
                          .modality = "CT"};
        struct order kept;
        char uid[16];
        uint16_t error_id;
        struct buf set;

        snprintf(o.placer, sizeof o.placer, "A%zu", i);
        snprintf(o.accession, sizeof o.accession, "ACC%zu", i);
        snprintf(uid, sizeof uid, "2.25.%zu", i + 5);
        assert_int_equal(order_put(book, &o, &err), 0);
        assert_int_equal(order_find_placer(book, "http", o.placer, &kept, &err), 0);
        begin_set_of(&set, &kept, "IN PROGRESS", &rows[i].said);
        assert_int_equal(create(uid, &set), 0);
        if (state_of(&kept) != (rows[i].is_its ? ORDER_IN_PROGRESS : ORDER_SCHEDULED))
            fail_msg("%s: %s", rows[i].what, order_state_word(state_of(&kept)));
        end_set(&set, "COMPLETED", 1);
        assert_int_equal(change(uid, &set, &error_id), 0);
        if (state_of(&kept) != (rows[i].is_its ? ORDER_COMPLETED : ORDER_SCHEDULED))
            fail_msg("%s: %s", rows[i].what, order_state_word(state_of(&kept)));
    }
}

static void
statuses_are_the_standards(void **state)
{
    struct order *o = an_order(), *none = mem_new(sizeof *none);
    uint16_t error_id;
    struct buf set;

    (void)state;
    begin_set(&set, o, NULL);
    assert_int_equal(create("2.25.5", &set), 0x0120);
    begin_set(&set, o, "COMPLETED");
    assert_int_equal(create("2.25.5", &set), 0x0106);
    begin_set(&set, o, "STARTED");
    assert_int_equal(create("2.25.5", &set), 0x0106);
    begin_set(&set, none, "IN PROGRESS");
    assert_int_equal(create("2.25.5", &set), 0x0121);
    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(create("", &set), 0x0117);
    end_set(&set, "COMPLETED", 1);
    assert_int_equal(change("2.25.5", &set, &error_id), 0x0112);

    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(create("2.25.5", &set), 0);
    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(create("2.25.5", &set), 0x0111);
    end_set(&set, "DONE", 1);
    assert_int_equal(change("2.25.5", &set, &error_id), 0x0106);
    end_set(&set, "IN PROGRESS", 1);
    assert_int_equal(change("2.25.5", &set, &error_id), 0);
    end_set(&set, "DISCONTINUED", 1);
    assert_int_equal(change("2.25.5", &set, &error_id), 0);
    assert_int_equal(state_of(o), ORDER_DISCONTINUED);
    end_set(&set, "COMPLETED", 5);
    assert_int_equal(change("2.25.5", &set, &error_id), 0x0110);
    assert_int_equal(error_id, 0xA710);
    assert_int_equal(state_of(o), ORDER_DISCONTINUED);
    free(none);
}

static void
a_second_step_does_not_undo_what_is_done(void **state)
{
    struct order *o = an_order();
    uint16_t error_id;
    struct buf set;

    (void)state;
    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(create("2.25.5", &set), 0);
    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(create("2.25.6", &set), 0);
    end_set(&set, "COMPLETED", 1);
    assert_int_equal(change("2.25.5", &set, &error_id), 0);
    end_set(&set, "DISCONTINUED", 1);
    assert_int_equal(change("2.25.6", &set, &error_id), 0);

    assert_int_equal(state_of(o), ORDER_COMPLETED);
}

/* The patient who was picked by mistake was in no worklist any more. */
static void
a_step_broken_off_takes_its_order_away_only_where_that_is_meant(void **state)
{
    static const struct {
        const char *what, *reason, *other; /* how another step of the order ended */
        enum order_state to;
    } rows[] = {
        {"broken off", "110501", NULL, ORDER_DISCONTINUED},
        {"the wrong entry", "110514", NULL, ORDER_SCHEDULED},
        {"while another runs", NULL, "IN PROGRESS", ORDER_IN_PROGRESS},
        {"the wrong entry, while another runs", "110514", "IN PROGRESS", ORDER_IN_PROGRESS},
        {"after another was done", NULL, "COMPLETED", ORDER_COMPLETED},
        {"the wrong entry, after another was done", "110514", "COMPLETED", ORDER_COMPLETED},
        {"another was broken off, too", NULL, "DISCONTINUED", ORDER_DISCONTINUED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct order *o = an_order();
        char uid[16], other[16];
        uint16_t error_id;
        struct buf set;

        snprintf(uid, sizeof uid, "2.25.%zu", i + 100);
        snprintf(other, sizeof other, "2.25.%zu", i + 200);
        if (rows[i].other != NULL) {
            begin_set(&set, o, "IN PROGRESS");
            assert_int_equal(create(other, &set), 0);
            end_set(&set, rows[i].other, 0);
            assert_int_equal(change(other, &set, &error_id), 0);
        }
        begin_set(&set, o, "IN PROGRESS"); /* of what is done: more images of it */
        assert_int_equal(create(uid, &set), 0);
        end_set_for(&set, "DISCONTINUED", 0, rows[i].reason);
        assert_int_equal(change(uid, &set, &error_id), 0);
        if (state_of(o) != rows[i].to)
            fail_msg("%s: %s", rows[i].what, order_state_word(state_of(o)));
    }
}

/* A device that broke down said no more of its step: the order does not run for ever by it. */
static void
a_step_that_nobody_ended_for_a_day_runs_no_more(void **state)
{
    struct order *o;
    uint16_t error_id;
    struct buf set;

    (void)state;
    clock_fake(INT64_C(1795307400) * 1000000, 1000);
    o = an_order();
    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(create("2.25.5", &set), 0);
    clock_fake_advance(INT64_C(86400000) + 1);
    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(create("2.25.6", &set), 0);
    end_set(&set, "DISCONTINUED", 0);
    assert_int_equal(change("2.25.6", &set, &error_id), 0);

    assert_int_equal(state_of(o), ORDER_DISCONTINUED);
}

static void
assert_awaited(const char *study, uint32_t expected, uint32_t missing)
{
    uint32_t now_expected, now_missing;
    struct err err;

    assert_int_equal(mpps_expected(book, study, &now_expected, &now_missing, &err), 0);
    assert_int_equal(now_expected, expected);
    assert_int_equal(now_missing, missing);
}

/* The device made them: whoever deletes them there must not be told that all is safe. That they
 * will not come is said by a person. */
static void
images_of_a_step_broken_off_are_awaited_though_it_is_done_anew(void **state)
{
    static const char *const reasons[] = {NULL, "110501", "110514"};
    static const char came[1][65] = {"1.2.3.2"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        struct order *o = an_order();
        char first[16], second[16];
        unsigned arrived;
        uint16_t error_id;
        struct buf set;
        struct err err;

        snprintf(first, sizeof first, "2.25.%zu", i + 300);
        snprintf(second, sizeof second, "2.25.%zu", i + 400);
        begin_set(&set, o, "IN PROGRESS");
        assert_int_equal(create(first, &set), 0);
        end_set_for(&set, "DISCONTINUED", 4, reasons[i]);
        assert_int_equal(change(first, &set, &error_id), 0);
        assert_int_equal(mpps_arrived(book, came, 1, &arrived, &err), 0);
        assert_awaited(o->study, 5, 4);

        begin_set(&set, o, "IN PROGRESS");
        assert_int_equal(create(second, &set), 0);
        end_set(&set, "COMPLETED", 1);
        assert_int_equal(change(second, &set, &error_id), 0);
        assert_awaited(o->study, 5, 4); /* both list 1 and 900 */
    }
}

static void
a_step_of_an_unknown_order_is_kept(void **state)
{
    struct order o = {.number = 99, .accession = "FOREIGN", .study = "1.2.840.99"};
    struct mpps_study *list = NULL;
    struct buf set;
    struct err err;
    size_t n;

    (void)state;
    begin_set(&set, &o, "IN PROGRESS");
    assert_int_equal(create("2.25.5", &set), 0);

    assert_int_equal(mpps_studies(book, 0, &list, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].study, "1.2.840.99");
    assert_int_equal(list[0].state, MPPS_IN_PROGRESS);
    assert_int_equal(list[0].expected, 0);
    free(list);
}

static bool
only_two(void *user, const char *instance)
{
    (void)user;
    return strcmp(instance, "1.2.3.1") == 0 || strcmp(instance, "1.2.3.2") == 0;
}

static void
what_arrives_is_no_longer_missing(void **state)
{
    static const char instances[3][65] = {"1.2.3.1", "1.2.3.2", "1.2.3.3"};
    uint32_t expected, missing;
    unsigned arrived;
    struct err err;

    (void)state;
    assert_int_equal(mpps_expect(book, "1.2.9", "1.2.8", instances, 3, &err), 0);
    assert_int_equal(mpps_expect(book, "1.2.9", "1.2.7", instances, 3, &err), 0);
    assert_int_equal(mpps_settle(book, only_two, NULL, &arrived, &err), 0);
    assert_int_equal(arrived, 2);

    assert_int_equal(mpps_expected(book, "1.2.9", &expected, &missing, &err), 0);
    assert_int_equal(expected, 3);
    assert_int_equal(missing, 1);
}

/* A fortnight, or a clock that jumped by years: the study may not look whole because of it. */
static void
what_has_not_come_is_missing_whatever_the_clock_says(void **state)
{
    static const char instances[3][65] = {"1.2.3.1", "1.2.3.2", "1.2.3.3"};
    static const int64_t day_ms = INT64_C(86400000);
    struct mpps_study *list = NULL;
    unsigned arrived;
    struct err err;
    size_t n;

    (void)state;
    clock_fake(INT64_C(1700000000000000), 1000);
    assert_int_equal(mpps_expect(book, "1.2.9", "1.2.8", instances, 3, &err), 0);
    clock_fake_advance(4000 * day_ms);
    assert_int_equal(mpps_missing(book, &list, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].study, "1.2.9");
    assert_int_equal(list[0].missing, 3);
    free(list);

    assert_int_equal(mpps_settle(book, only_two, NULL, &arrived, &err), 0); /* late, but come */
    assert_int_equal(arrived, 2);
    assert_int_equal(mpps_missing(book, &list, &n, &err), 0);
    assert_int_equal(list[0].missing, 1);
    free(list);
    clock_unfake();
}

/* ---- over an association ---- */

static uint16_t
tell(struct dimse_assoc *assoc, uint16_t field, const char *uid, struct buf *set,
     struct dimse_command *out_rsp)
{
    struct dimse_command rq = {.context = 1, .field = field, .message_id = 9, .has_data = true};
    struct err err;

    text_copy(rq.sop_class, sizeof rq.sop_class, STEP_CLASS);
    text_copy(rq.sop_instance, sizeof rq.sop_instance, uid);
    assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
    assert_int_equal(dimse_send_data(assoc, 1, set->bytes, set->n, true, &err), 0);
    assert_int_equal(dimse_next_command(assoc, out_rsp, &err), 0);
    assert_false(out_rsp->has_data);
    buf_fini(set);
    return out_rsp->status;
}

static void
a_device_tells_and_the_desk_keeps(void **state)
{
    static const char *const plain[] = {DCM_UID_IMPLICIT_LE};
    const struct dimse_proposal proposal = {STEP_CLASS, plain, 1, false};
    struct accept_options ao = {.dir = book_dir, .address = "127.0.0.1", .max_associations = 4};
    struct accept_device device = {.ae = "CT_1", .address = "127.0.0.1", .name = "CT"};
    struct spool_options so = {.keep_sealed_ms = -1};
    struct order *o = an_order();
    char dir[FOLDER_PATH_BYTES + 8], ours[65];
    struct dimse_assoc *assoc = NULL;
    struct accept *door = NULL;
    struct spool *spool = NULL;
    struct mpps *mpps = NULL;
    struct dimse_command rsp;
    struct buf set;
    struct err err;

    (void)state;
    snprintf(dir, sizeof dir, "%s/spool", book_dir);
    assert_int_equal(spool_open(dir, &so, &spool, &err), 0);
    assert_int_equal(accept_open(&ao, spool, &door, &err), 0);
    assert_int_equal(accept_put_device(door, &device, &err), 0);
    mpps_start(book, door, &mpps);
    assert_int_equal(accept_listen(door, &err), 0);
    const struct dimse_connect_options to = {
        .host = "127.0.0.1", .port = accept_port(door), .calling = "CT_1", .called = "RADPOST"};
    if (dimse_connect(&to, &proposal, 1, &assoc, &err) < 0)
        fail_msg("%s", err.text);

    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(tell(assoc, DIMSE_N_CREATE_RQ, "", &set, &rsp),
                     0); /* the UID is ours to give */
    assert_true(uid_is_valid(rsp.sop_instance, false));
    text_copy(ours, sizeof ours, rsp.sop_instance);
    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(tell(assoc, DIMSE_N_CREATE_RQ, "abc", &set, &rsp),
                     0x0117); /* it would end the step under that name */
    begin_set(&set, o, "IN PROGRESS");
    assert_int_equal(tell(assoc, DIMSE_N_CREATE_RQ, ours, &set, &rsp), 0x0111);
    buf_init(&set, 10);
    buf_add(&set, "garbage..", 9);
    assert_int_equal(tell(assoc, DIMSE_N_SET_RQ, ours, &set, &rsp), 0x0110);
    end_set(&set, "COMPLETED", 3);
    assert_int_equal(tell(assoc, DIMSE_N_SET_RQ, ours, &set, &rsp), 0);
    end_set(&set, "COMPLETED", 3);
    assert_int_equal(tell(assoc, DIMSE_N_SET_RQ, ours, &set, &rsp), 0x0110);
    assert_int_equal(rsp.error_id, 0xA710);
    assert_int_equal(state_of(o), ORDER_COMPLETED);

    assert_int_equal(dimse_release(&assoc, &err), 0);
    accept_shut(door);
    mpps_stop(&mpps);
    accept_stop(&door);
    spool_close(&spool);
}

#define BOOK_TEST(f) cmocka_unit_test_setup_teardown(f, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(a_step_takes_its_order_along_and_is_durable),
        BOOK_TEST(a_step_that_names_another_patient_leaves_the_order_as_it_was),
        BOOK_TEST(statuses_are_the_standards),
        BOOK_TEST(a_second_step_does_not_undo_what_is_done),
        BOOK_TEST(a_step_broken_off_takes_its_order_away_only_where_that_is_meant),
        BOOK_TEST(a_step_that_nobody_ended_for_a_day_runs_no_more),
        BOOK_TEST(images_of_a_step_broken_off_are_awaited_though_it_is_done_anew),
        BOOK_TEST(a_step_of_an_unknown_order_is_kept),
        BOOK_TEST(what_arrives_is_no_longer_missing),
        BOOK_TEST(what_has_not_come_is_missing_whatever_the_clock_says),
        BOOK_TEST(a_device_tells_and_the_desk_keeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
