/* test_room.c - a landing disk that fills: senders are told before it is full, what was begun ends,
 * what is here is sealed, and with room again all goes on. On a small file system of the test's. */
#include "proto/base/durable.h"
#include "proto/http/client.h"
#include "proto/http/server.h"
#include "storage/ingest/ingest.h"
#include "storage/keep/keep_own.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { MEGA = 1 << 20, DISK = 48 * MEGA, REFUSE = 16 * MEGA };

static const struct keep_sender gate = {"clinic-a", "gate-a", "test"};

struct disk {
    struct vault a;
    char ballast[200];
};

/* The landing is on a file system of 48 MiB. */
static void
disk_open(struct disk *d, const char *database, uint64_t refuse_free)
{
    char size[32];

    vault_open(&d->a, vault_cluster, database);
    keep_close(&d->a.keep);
    folder_remove(d->a.landing);
    assert_int_equal(mkdir(d->a.landing, 0700), 0);
    snprintf(size, sizeof size, "size=%d", DISK);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", d->a.landing, "tmpfs", 0, size) < 0) {
        print_message("no small file system here: %s\n", strerror(errno));
        vault_reopen(&d->a);
        vault_close(&d->a);
        skip();
    }
    snprintf(d->ballast, sizeof d->ballast, "%s/ballast", d->a.landing);
    d->a.options.refuse_free = refuse_free;
    vault_reopen(&d->a);
}

static void
disk_close(struct disk *d)
{
    keep_close(&d->a.keep);
    assert_int_equal(umount2(d->a.landing, MNT_DETACH), 0);
    vault_reopen(&d->a);
    vault_close(&d->a);
}

/* Others fill it until only so much is free. */
static void
leave(struct disk *d, uint64_t free_bytes)
{
    int fd = open(d->ballast, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), used;
    uint64_t there;
    struct err err;

    assert_true(fd >= 0);
    OK(durable_room(d->a.landing, &there, &used, &err));
    assert_true(there > free_bytes);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)(there - free_bytes)), 0);
    close(fd);
}

static int
offer(struct disk *d, const struct slice *s, struct buf *out_file, struct link_offer_object *out,
      enum link_state *out_state, struct err *err)
{
    struct link_offer offer = {out, 1};
    struct link_answer answer;

    slice_make(s, out_file);
    slice_offer(s, out_file, out);
    if (keep_offer(d->a.keep, &gate, &offer, &answer, err) < 0)
        return -1;
    *out_state = answer.objects[0].state;
    link_answer_free(&answer);
    return 0;
}

/* All of it, or the error that a sender is told. */
static int
send_it(struct disk *d, const struct link_offer_object *o, const struct buf *file,
        enum link_state *out_state, struct err *err)
{
    struct link_piece piece = {.bytes = file->bytes, .n = file->n};
    struct keep_bundle *b = NULL;
    struct link_answer answer;
    int rc = -1;

    memcpy(piece.object, o->object, 32);
    if (keep_bundle_begin(d->a.keep, &gate, &b, err) == 0 &&
        keep_bundle_piece(b, &piece, err) == 0 && keep_bundle_end(b, &answer, err) == 0) {
        *out_state = answer.objects[0].state;
        link_answer_free(&answer);
        rc = 0;
    }
    keep_bundle_free(&b);
    return rc;
}

static int
store(struct disk *d, const struct slice *s, bool is_reader, struct err *err)
{
    struct keep_incoming in = {
        .tenant = "clinic-a", .way = is_reader ? KEEP_WAY_READER : "C-STORE", .ae = "CT1"};
    struct keep_stored stored;
    struct buf file;
    int rc;

    is_reader ? report_make(s, &file) : slice_make(s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    rc = keep_store_direct(d->a.keep, &in, &stored, err);
    close(in.fd);
    buf_fini(&file);
    return rc;
}

/* Before it is received. */
static int
store_room(struct disk *d, const char *sop_instance, const char *way, struct err *err)
{
    struct keep_claim claim = {.tenant = "clinic-a", .way = way, .sop_instance = sop_instance};
    int rc = keep_claim(d->a.keep, &claim, 0, err);

    keep_claim_end(d->a.keep, &claim);
    return rc;
}

static uint64_t
free_on(const struct disk *d)
{
    uint64_t there;
    struct err err;
    int used;

    OK(durable_room(d->a.landing, &there, &used, &err));
    return there;
}

static void
nothing_new_begins_below_the_mark_and_all_goes_on_above_it(void **state)
{
    static const struct slice report = {
        .study = "1.2.3", .series = "1.2.3.900", .instance = "1.2.3.900.1"};
    static const struct slice late = {
        .study = "1.2.4", .series = "1.2.4.1", .instance = "1.2.4.1.1", .noise = 3};
    static const struct slice direct = {
        .study = "1.2.5", .series = "1.2.5.1", .instance = "1.2.5.1.1", .noise = 4};
    struct slice here = vault_ct(1), begun = vault_ct(2);
    struct buf here_file, begun_file, late_file;
    struct link_offer_object here_o, begun_o, late_o;
    struct slice listed[2];
    enum link_state says;
    struct keep_standing standing;
    struct disk d;
    struct err err;
    int sealed;

    (void)state;
    disk_open(&d, "room", REFUSE);
    assert_int_equal(vault_put(&d.a, &gate, &here), LINK_HELD);
    OK(offer(&d, &begun, &begun_file, &begun_o, &says, &err));
    leave(&d, REFUSE - MEGA);

    assert_int_equal(offer(&d, &late, &late_file, &late_o, &says, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    assert_int_equal(store(&d, &direct, false, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    assert_int_equal(keep_standing_get(d.a.keep, "clinic-a", late.study, &standing, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);              /* nothing came of the late one */
    OK(offer(&d, &here, &here_file, &here_o, &says, &err)); /* what is here is answered */
    assert_int_equal(says, LINK_HELD);
    OK(store(&d, &report, true, &err));
    leave(&d, REFUSE / 2 - MEGA);
    assert_int_equal(send_it(&d, &begun_o, &begun_file, &says, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    leave(&d, REFUSE - MEGA);
    OK(send_it(&d, &begun_o, &begun_file, &says, &err)); /* what was begun ends */
    assert_int_equal(says, LINK_HELD);
    listed[0] = here;
    listed[1] = begun;
    vault_manifest(&d.a, &gate, 1, listed, 2);
    OK(keep_work(d.a.keep, &sealed, &err));
    assert_int_equal(sealed, 2); /* the study's, the report's */

    assert_int_equal(unlink(d.ballast), 0);
    buf_fini(&late_file);
    OK(offer(&d, &late, &late_file, &late_o, &says, &err));
    OK(send_it(&d, &late_o, &late_file, &says, &err));
    assert_int_equal(says, LINK_HELD);
    OK(store(&d, &direct, false, &err));
    buf_fini(&here_file);
    buf_fini(&begun_file);
    buf_fini(&late_file);
    disk_close(&d);
}

static void
what_is_sent_directly_is_judged_before_it_is_received(void **state)
{
    struct slice here = vault_ct(1), new = vault_ct(2);
    struct disk d;
    struct err err;

    (void)state;
    disk_open(&d, "direct", REFUSE);
    OK(store(&d, &here, false, &err));
    leave(&d, REFUSE - MEGA);

    assert_int_equal(store_room(&d, new.instance, "C-STORE", &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    OK(store_room(&d, new.instance, KEEP_WAY_READER, &err));
    OK(store_room(&d, here.instance, "C-STORE", &err)); /* again: it is kept, and told so */
    OK(store(&d, &here, false, &err));
    OK(store_room(&d, NULL, "STOW-RS", &err));
    leave(&d, REFUSE / 2 - MEGA);
    assert_int_equal(store_room(&d, NULL, "STOW-RS", &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    assert_int_equal(store_room(&d, here.instance, "C-STORE", &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    disk_close(&d);
}

/* They were let in as long as the disk was above the mark, whatever they were about to bring: what
 * had begun found the rest of the disk eaten. */
static void
what_is_sent_directly_finds_its_own_size_above_the_mark(void **state)
{
    struct slice large = vault_ct(1), beside = vault_ct(2);
    struct disk d;
    struct err err;

    (void)state;
    large.rows = beside.rows = 512;
    disk_open(&d, "size", REFUSE);
    leave(&d, REFUSE + MEGA / 8);
    assert_int_equal(store(&d, &large, false, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    leave(&d, 0);
    leave(&d, REFUSE + MEGA);
    room_expect(d.a.keep, 0, MEGA); /* another is being written */
    assert_int_equal(store(&d, &large, false, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    room_expect(d.a.keep, MEGA, 0);

    OK(store(&d, &large, false, &err));
    assert_int_equal(store(&d, &beside, false, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    disk_close(&d);
}

/* Nobody knew how long they would be: each grew until its end, up to 8 GiB, and what gateways had
 * begun found no room any more. */
static void
what_is_sent_directly_ends_before_it_eats_what_is_kept_for_gateways(void **state)
{
    static uint8_t bytes[64 * 1024];
    struct keep_claim claims[3];
    int fds[ARRAY_LEN(claims)], ended = 0;
    struct disk d;
    struct err err;

    (void)state;
    disk_open(&d, "grow", REFUSE);
    leave(&d, REFUSE + 12 * MEGA);
    for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
        claims[i] = (struct keep_claim){.tenant = "clinic-a", .way = "C-STORE"};
        claims[i].sop_instance = "1.2.9";
        claims[i].fd = fds[i] = open(d.a.landing, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        OK(keep_claim(d.a.keep, &claims[i], 0, &err));
    }
    for (uint64_t size = 0; ended < (int)ARRAY_LEN(claims); size += sizeof bytes) {
        for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
            if (fds[i] < 0)
                continue;
            OK(durable_write(fds[i], bytes, sizeof bytes, &err));
            if (keep_claim(d.a.keep, &claims[i], size + sizeof bytes, &err) == 0)
                continue;
            assert_int_equal(err.kind, ERR_FULL);
            close(fds[i]);
            fds[i] = -1;
            keep_claim_end(d.a.keep, &claims[i]);
            ended++;
        }
        assert_true(free_on(&d) >= REFUSE);
    }
    assert_in_range(free_on(&d), REFUSE + 12 * MEGA - MEGA / 4, REFUSE + 12 * MEGA);
    assert_int_equal(d.a.keep->direct_bytes, 0);
    disk_close(&d);
}

static void
what_comes_without_a_name_is_judged_by_its_head(void **state)
{
    struct slice here = vault_ct(1), new = vault_ct(2);
    const struct slice *both[] = {&here, &new};
    struct disk d;
    struct err err;

    (void)state;
    disk_open(&d, "head", REFUSE);
    OK(store(&d, &here, false, &err));
    leave(&d, REFUSE - MEGA);

    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        struct keep_claim claim = {.tenant = "clinic-a", .way = "STOW-RS"};
        struct buf file;
        int rc;

        slice_make(both[i], &file);
        claim.fd = slice_fd(&file);
        OK(keep_claim(d.a.keep, &claim, 0, &err));
        rc = keep_claim(d.a.keep, &claim, 100000, &err);
        assert_int_equal(rc, both[i] == &here ? 0 : -1);
        keep_claim_end(d.a.keep, &claim);
        close(claim.fd);
        buf_fini(&file);
    }
    assert_int_equal(err.kind, ERR_FULL);
    disk_close(&d);
}

static int
may_store(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    (void)user, (void)bearer, (void)err;
    snprintf(caller->tenant, sizeof caller->tenant, "clinic-a");
    caller->rights = RIGHT_STORE;
    return 0;
}

static void
a_stow_without_an_end_is_answered_507_and_leaves_nothing(void **state)
{
    static const char head[] = "--f\r\nContent-Type: application/dicom\r\n\r\n";
    char arriving[300], url[64];
    struct ingest_options options = {.spool_dir = arriving};
    struct http_table table;
    struct http_options http = {.address = "127.0.0.1",
                                .name = "test",
                                .tables = &table,
                                .table_count = 1,
                                .authorise = may_store};
    struct http_client_options browser = {.base_url = url, .bearer = "any"};
    struct http_call call = {.method = "POST",
                             .path = "/dicomweb/studies",
                             .content_type =
                                 "multipart/related; type=\"application/dicom\"; boundary=f"};
    struct http_server *server = NULL;
    struct http_client *client = NULL;
    struct ingest *ingest = NULL;
    struct http_reply reply;
    struct buf body;
    uint64_t before;
    struct disk d;
    struct err err;

    (void)state;
    disk_open(&d, "stow", REFUSE);
    snprintf(arriving, sizeof arriving, "%s/arriving", d.a.landing);
    options.keep = d.a.keep;
    OK(ingest_new(&options, &ingest, &err));
    table = ingest_stow_table(ingest);
    OK(http_server_start(&http, &server, &err));
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
    OK(http_client_new(&browser, &client, &err));
    buf_init(&body, DISK);
    buf_add(&body, head, sizeof head - 1);
    memset(buf_reserve(&body, 20 * MEGA), 0, 20 * MEGA);
    body.n += 20 * MEGA;
    leave(&d, REFUSE + 8 * MEGA);
    before = free_on(&d);

    call.body = body.bytes;
    call.body_n = body.n;
    OK(http_client_call(client, &call, &reply, &err));
    assert_int_equal(reply.status, 507);
    http_reply_fini(&reply);
    http_client_free(&client);
    http_server_stop(&server);
    assert_int_equal(free_on(&d), before);
    assert_int_equal(d.a.keep->direct_bytes, 0);
    ingest_free(&ingest);
    buf_fini(&body);
    disk_close(&d);
}

/* After a cut, a crash or a restored catalog a gateway offers anew what it had begun: else no list
 * would become complete, and nothing would be packed to make room. */
static void
a_study_that_was_begun_is_offered_anew_and_ends_below_the_mark(void **state)
{
    struct slice slices[] = {vault_ct(1), vault_ct(2), vault_ct(3)};
    struct link_offer_object o[ARRAY_LEN(slices)], again;
    struct link_piece piece;
    struct buf file[ARRAY_LEN(slices)], same;
    struct keep_bundle *b = NULL;
    enum link_state says;
    struct disk d;
    struct err err;
    int sealed;

    (void)state;
    disk_open(&d, "anew", REFUSE);
    OK(offer(&d, &slices[0], &file[0], &o[0], &says, &err));
    piece = (struct link_piece){.bytes = file[0].bytes, .n = file[0].n / 2};
    memcpy(piece.object, o[0].object, 32);
    OK(keep_bundle_begin(d.a.keep, &gate, &b, &err));
    OK(keep_bundle_piece(b, &piece, &err));
    keep_bundle_free(&b); /* cut */
    leave(&d, REFUSE - MEGA);

    OK(offer(&d, &slices[0], &same, &again, &says, &err));
    assert_int_equal(says, LINK_PARTIAL);
    buf_fini(&same);
    vault_sql(&d.a, "DELETE FROM landing"); /* the catalog was restored; its bytes are there */
    OK(offer(&d, &slices[0], &same, &again, &says, &err));
    assert_int_equal(says, LINK_PARTIAL);
    buf_fini(&same);
    for (size_t i = 1; i < ARRAY_LEN(slices); i++)
        OK(offer(&d, &slices[i], &file[i], &o[i], &says, &err)); /* the rest of its study */
    leave(&d, REFUSE / 2 - MEGA);
    assert_int_equal(offer(&d, &slices[0], &same, &again, &says, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    buf_fini(&same);
    leave(&d, REFUSE - MEGA);
    for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
        OK(send_it(&d, &o[i], &file[i], &says, &err));
        assert_int_equal(says, LINK_HELD);
        buf_fini(&file[i]);
    }
    vault_manifest(&d.a, &gate, 1, slices, ARRAY_LEN(slices));
    OK(keep_work(d.a.keep, &sealed, &err));
    assert_int_equal(sealed, 1);
    disk_close(&d);
}

static void
what_is_known_is_answered_beside_what_finds_no_room(void **state)
{
    static const struct slice late = {
        .study = "1.2.4", .series = "1.2.4.1", .instance = "1.2.4.1.1", .noise = 3};
    struct slice here = vault_ct(1), begun = vault_ct(2);
    const struct slice *all[] = {&late, &here, &begun};
    struct link_offer_object o[ARRAY_LEN(all)];
    struct link_offer both = {o, ARRAY_LEN(all)};
    struct buf file[ARRAY_LEN(all)];
    struct link_answer answer;
    enum link_state says;
    struct disk d;
    struct err err;

    (void)state;
    disk_open(&d, "beside", REFUSE);
    assert_int_equal(vault_put(&d.a, &gate, &here), LINK_HELD);
    OK(offer(&d, &begun, &file[2], &o[2], &says, &err));
    buf_fini(&file[2]);
    leave(&d, REFUSE - MEGA);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        slice_make(all[i], &file[i]);
        slice_offer(all[i], &file[i], &o[i]);
    }

    OK(keep_offer(d.a.keep, &gate, &both, &answer, &err));
    assert_int_equal(answer.count, 2);
    assert_memory_equal(answer.objects[0].object, o[1].object, 32);
    assert_int_equal(answer.objects[0].state, LINK_HELD);
    assert_memory_equal(answer.objects[1].object, o[2].object, 32);
    assert_int_equal(answer.objects[1].state, LINK_WANTED);
    link_answer_free(&answer);
    both.count = 1;
    assert_int_equal(keep_offer(d.a.keep, &gate, &both, &answer, &err), -1);
    assert_int_equal(err.kind, ERR_FULL); /* it is told so when nothing else is to be told */
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_fini(&file[i]);
    disk_close(&d);
}

static void
a_mark_is_told_once_until_there_is_a_tenth_more(void **state)
{
    static const struct {
        uint64_t left;
        enum room_mark told;
    } steps[] = {
        {REFUSE + REFUSE / 20, ROOM_ENOUGH},      {REFUSE - MEGA, ROOM_NONE},
        {REFUSE + REFUSE / 20, ROOM_NONE},        {REFUSE / 2 - MEGA, ROOM_STOPPED},
        {REFUSE / 2 + REFUSE / 40, ROOM_STOPPED}, {REFUSE - MEGA, ROOM_NONE},
        {REFUSE + REFUSE / 5, ROOM_ENOUGH},       {REFUSE - MEGA, ROOM_NONE},
    };
    struct disk d;

    (void)state;
    disk_open(&d, "hover", REFUSE);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        leave(&d, 0);
        leave(&d, steps[i].left);
        room_watch(d.a.keep);
        if (d.a.keep->room != steps[i].told)
            fail_msg("step %zu: wanted %d, got %d", i, steps[i].told, d.a.keep->room);
    }
    assert_int_equal(umount2(d.a.landing, MNT_DETACH), 0);
    assert_int_equal(rmdir(d.a.landing), 0); /* a disk that cannot be looked at: as it was */
    room_watch(d.a.keep);
    assert_int_equal(d.a.keep->room, ROOM_NONE);

    assert_int_equal(mkdir(d.a.landing, 0700), 0);
    vault_reopen(&d.a);
    vault_close(&d.a);
}

/* Without marks, and to the last byte: no answer that is not true. */
static void
a_disk_that_is_full_to_the_last_byte_costs_time_only(void **state)
{
    struct slice s = vault_ct(1);
    struct link_offer_object o;
    enum link_state says = LINK_WANTED;
    struct buf file;
    struct disk d;
    struct err err;
    int sealed, refused = 0;

    (void)state;
    s.rows = 512;
    disk_open(&d, "brim", 0);
    for (uint64_t left = 0; says != LINK_HELD; left += 60 * 1024) {
        OK(offer(&d, &s, &file, &o, &says, &err));
        leave(&d, left);
        if (send_it(&d, &o, &file, &says, &err) < 0) {
            assert_int_equal(err.kind, ERR_FULL);
            refused++;
        }
        assert_int_equal(unlink(d.ballast), 0);
        buf_fini(&file);
    }
    assert_true(refused > 1);
    vault_manifest(&d.a, &gate, 1, &s, 1);
    OK(keep_work(d.a.keep, &sealed, &err));
    assert_int_equal(sealed, 1); /* its hash agrees */
    disk_close(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_new_begins_below_the_mark_and_all_goes_on_above_it),
        cmocka_unit_test(what_is_sent_directly_is_judged_before_it_is_received),
        cmocka_unit_test(what_is_sent_directly_finds_its_own_size_above_the_mark),
        cmocka_unit_test(what_is_sent_directly_ends_before_it_eats_what_is_kept_for_gateways),
        cmocka_unit_test(what_comes_without_a_name_is_judged_by_its_head),
        cmocka_unit_test(a_stow_without_an_end_is_answered_507_and_leaves_nothing),
        cmocka_unit_test(a_study_that_was_begun_is_offered_anew_and_ends_below_the_mark),
        cmocka_unit_test(what_is_known_is_answered_beside_what_finds_no_room),
        cmocka_unit_test(a_mark_is_told_once_until_there_is_a_tenth_more),
        cmocka_unit_test(a_disk_that_is_full_to_the_last_byte_costs_time_only),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
