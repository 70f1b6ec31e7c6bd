/* test_keep_coded.c - coded objects through the archive, inspected by the real workers: first look,
 * previews, held, sealed, restored; and many bundles of one study at once. */
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/trust/audit.h"
#include "proto/trust/digest.h"
#include "storage/keep/keep_own.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static struct codec_pool *pool;
static const struct keep_sender gate = {"clinic-a", "gate-a", "127.0.0.1:1"};

/* A sample as a gateway hands it over: coded in layers. */
struct coded {
    struct keep *keep; /* for restore() */
    struct link_offer_object offer;
    struct layout *layout;
    struct buf written;
    uint8_t *bytes;
    uint8_t received[32];
};

static void
code(const struct slice *s, struct coded *out)
{
    struct codec_source source = {.offset = 0};
    struct codec_result result;
    struct buf file;
    struct err err;

    slice_make(s, &file);
    slice_offer(s, &file, &out->offer);
    source.fd = slice_fd(&file);
    source.size = file.n;
    OK(codec_encode(pool, &source, NULL, &result, &err));
    if (result.coded_fd < 0)
        fail_msg("not coded: %s", result.why_not);
    out->bytes = mem_new((size_t)result.coded_size);
    assert_int_equal(pread(result.coded_fd, out->bytes, (size_t)result.coded_size, 0),
                     (ssize_t)result.coded_size);
    memcpy(out->received, out->offer.object, 32);
    digest_bytes(out->bytes, (size_t)result.coded_size, out->offer.object);
    out->offer.size = result.coded_size;
    snprintf(out->offer.transfer_syntax, LINK_UID_SIZE, "1.2.840.10008.1.2.4.90");
    out->layout = TAKE(result.layout);
    buf_init(&out->written, 1 << 20);
    layout_write(out->layout, &out->written);
    out->offer.layout = out->written.bytes;
    out->offer.layout_n = out->written.n;
    out->offer.recipe = TAKE(result.recipe);
    out->offer.recipe_n = result.recipe_n;
    codec_result_fini(&result);
    close(source.fd);
    buf_fini(&file);
}

static void
coded_free(struct coded *c)
{
    layout_free(&c->layout);
    buf_fini(&c->written);
    free(c->offer.recipe);
    free(c->bytes);
}

static enum link_state
send_ranges(struct keep *k, const struct coded *c, const struct range *ranges, size_t n)
{
    struct keep_bundle *b = NULL;
    struct link_answer answer;
    enum link_state state;
    struct err err;

    OK(keep_bundle_begin(k, &gate, &b, &err));
    for (size_t i = 0; i < n; i++) {
        struct link_piece p = {.offset = ranges[i].from,
                               .bytes = c->bytes + ranges[i].from,
                               .n = (size_t)(ranges[i].to - ranges[i].from)};

        memcpy(p.object, c->offer.object, 32);
        OK(keep_bundle_piece(b, &p, &err));
    }
    OK(keep_bundle_end(b, &answer, &err));
    state = answer.objects[0].state;
    link_answer_free(&answer);
    keep_bundle_free(&b);
    return state;
}

static int
count_preview(void *user, const struct keep_preview *p, struct err *call_err)
{
    struct err err;

    struct layout *layout = NULL;
    int fd = -1;

    OK(layout_read(p->layout, p->layout_n, &layout, &err));
    assert_int_equal(layout_layers_within(layout, 0, p->have, p->have_n), 1);
    OK(keep_open_preview(NULL, p, &fd, &err));
    close(fd);
    layout_free(&layout);
    (void)call_err;
    ++*(size_t *)user;
    return 0;
}

static int
restore(void *user, const struct keep_place *p, struct err *call_err)
{
    struct err err;

    struct coded *c = user;
    struct codec_source source = {
        .offset = p->offset, .size = p->size, .recipe = p->recipe, .recipe_n = p->recipe_n};
    uint8_t found[32];
    uint64_t size;
    int fd = -1;

    OK(keep_open_place(c->keep, p, &source.fd, &err));
    OK(codec_restore(pool, &source, &fd, &size, &err));
    OK(digest_file(fd, 0, size, found, &err));
    assert_memory_equal(found, c->received, 32);
    assert_memory_equal(p->received, c->received, 32);
    assert_true(p->is_sealed);
    close(fd);
    close(source.fd);
    (void)call_err;
    return 0;
}

static void
archive_open_real(struct vault *a, const char *database)
{
    struct err err;

    vault_open(a, cluster, database);
    keep_inspect = codec_inspect;
    keep_close(&a->keep);
    OK(keep_open_idle(&a->options, pool, NULL, &a->keep, &err));
}

static void
a_first_look_shows_and_the_whole_is_restored_bit_for_bit(void **state)
{
    struct slice s = {.study = "1.2.3", .series = "1.2.3.1", .instance = "1.2.3.1.1", .rows = 128};
    struct link_offer offer = {NULL, 1};
    struct link_answer answer;
    struct link_manifest m = {.revision = 1, .closed_at_us = 5, .count = 1};
    struct link_manifest_instance one;
    struct keep_standing standing;
    struct range *look = NULL, whole;
    struct vault a;
    struct coded c;
    size_t look_n, previews = 0;
    struct err err;
    int sealed;

    (void)state;
    archive_open_real(&a, "coded");
    code(&s, &c);
    offer.objects = &c.offer;
    OK(keep_offer(a.keep, &gate, &offer, &answer, &err));
    link_answer_free(&answer);
    layout_first_look(c.layout, &look, &look_n);
    assert_int_equal(send_ranges(a.keep, &c, look, look_n), LINK_LOOKED);
    OK(keep_previews(a.keep, "clinic-a", "1.2.3", NULL, count_preview, &previews, &err));
    assert_int_equal(previews, 1);
    previews = 0;
    OK(keep_previews(a.keep, "clinic-b", "1.2.3", NULL, count_preview, &previews, &err));
    assert_int_equal(previews, 0); /* not another clinic's */
    assert_int_equal(keep_instances(a.keep, "clinic-a", "1.2.3", NULL, NULL, restore, &c, &err),
                     -1);
    assert_int_equal(err.kind, ERR_RETRY); /* a preview is not the instance */
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.looked, 1);
    assert_int_equal(standing.whole, 0);

    whole = (struct range){0, c.offer.size};
    assert_int_equal(send_ranges(a.keep, &c, &whole, 1), LINK_HELD);
    snprintf(m.study, sizeof m.study, "1.2.3");
    memset(&one, 0, sizeof one);
    snprintf(one.sop_instance, sizeof one.sop_instance, "1.2.3.1.1");
    memcpy(one.object, c.offer.object, 32);
    m.instances = &one;
    OK(keep_manifest(a.keep, &gate, &m, &err));
    OK(keep_work(a.keep, &sealed, &err));
    assert_int_equal(sealed, 1);
    c.keep = a.keep;
    OK(keep_instances(a.keep, "clinic-a", "1.2.3", NULL, NULL, restore, &c, &err));
    free(look);
    coded_free(&c);
    vault_close(&a);
}

static void
age_packs(const struct vault *a)
{
    const struct timespec at = {.tv_sec = 1000000000}, times[] = {at, at};

    for (int i = 0; i < KEEP_COPIES; i++) {
        char pattern[256];
        glob_t found;

        snprintf(pattern, sizeof pattern, "%s/packs/*/*/*.zip", a->stores[i]);
        assert_int_equal(glob(pattern, 0, NULL, &found), 0);
        for (size_t f = 0; f < found.gl_pathc; f++)
            assert_int_equal(utimensat(AT_FDCWD, found.gl_pathv[f], times, 0), 0);
        globfree(&found);
    }
}

static int
has_layers(void *user, const struct keep_place *p, struct err *err)
{
    const struct coded *c = user;

    (void)err;
    assert_int_equal(p->layout_n, c->offer.layout_n);
    assert_memory_equal(p->layout, c->offer.layout, p->layout_n);
    assert_string_equal(p->transfer_syntax, c->offer.transfer_syntax);
    assert_string_equal(p->received_syntax, c->offer.received_syntax);
    return 0;
}

static void
a_coded_image_is_found_in_its_pack_with_all_that_restores_it(void **state)
{
    struct slice s = {.study = "1.2.3", .series = "1.2.3.1", .instance = "1.2.3.1.1", .rows = 128};
    struct link_manifest m = {.study = "1.2.3", .revision = 1, .closed_at_us = 5, .count = 1};
    struct link_manifest_instance one = {.sop_instance = "1.2.3.1.1"};
    struct link_offer offer = {NULL, 1};
    struct link_answer answer;
    struct range whole = {0, 0};
    struct vault a;
    struct coded c;
    struct err err;
    int sealed;

    (void)state;
    archive_open_real(&a, "found_coded");
    code(&s, &c);
    offer.objects = &c.offer;
    OK(keep_offer(a.keep, &gate, &offer, &answer, &err));
    link_answer_free(&answer);
    whole.to = c.offer.size;
    assert_int_equal(send_ranges(a.keep, &c, &whole, 1), LINK_HELD);
    memcpy(one.object, c.offer.object, 32);
    m.instances = &one;
    OK(keep_manifest(a.keep, &gate, &m, &err));
    OK(keep_work(a.keep, &sealed, &err));
    assert_int_equal(sealed, 1);
    age_packs(&a);
    vault_sql(&a, "TRUNCATE lost_members, instances, packs, pack_copies, pack_jobs, manifests, "
                  "receipts, events, "
                  "duplicates, landing, series, studies, patients");
    keep_close(&a.keep);
    OK(keep_open_idle(&a.options, pool, NULL, &a.keep, &err));

    OK(keep_work(a.keep, &sealed, &err));
    c.keep = a.keep;
    OK(keep_instances(a.keep, "clinic-a", "1.2.3", NULL, NULL, restore, &c, &err));
    OK(keep_instances(a.keep, "clinic-a", "1.2.3", NULL, NULL, has_layers, &c, &err));
    coded_free(&c);
    vault_close(&a);
}

static void
a_file_that_is_not_what_its_offer_says_is_set_aside(void **state)
{
    struct slice s = {.study = "1.2.3", .series = "1.2.3.1", .instance = "1.2.3.1.1", .rows = 64};
    static const uint8_t text[] = "this is no DICOM file at all, it only has the right hash";
    struct link_offer_object lie;
    struct link_offer offer = {&lie, 1};
    struct link_answer answer;
    struct keep_standing standing;
    struct vault a;
    struct buf file, junk;
    struct err err;

    (void)state;
    archive_open_real(&a, "lies");
    slice_make(&s, &file);
    slice_offer(&s, &file, &lie);
    lie.pixels[3] ^= 1;
    OK(keep_offer(a.keep, &gate, &offer, &answer, &err));
    link_answer_free(&answer);
    assert_int_equal(vault_send(&a, &gate, &lie, &file), LINK_QUARANTINED);
    assert_int_equal(vault_send(&a, &gate, &lie, &file), LINK_QUARANTINED); /* said again */
    buf_init(&junk, 1000);
    buf_add(&junk, text, sizeof text);
    digest_bytes(junk.bytes, junk.n, lie.object);
    lie.size = junk.n;
    snprintf(lie.sop_instance, LINK_UID_SIZE, "1.2.3.1.2");
    OK(keep_offer(a.keep, &gate, &offer, &answer, &err));
    link_answer_free(&answer);
    assert_int_equal(vault_send(&a, &gate, &lie, &junk), LINK_QUARANTINED);

    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 0);
    assert_int_equal(standing.quarantined, 2);
    buf_fini(&junk);
    buf_fini(&file);
    vault_close(&a);
}

static void
what_is_no_dicom_is_refused_to_a_direct_sender(void **state)
{
    struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .ae = "CT1"};
    struct keep_stored stored;
    struct vault a;
    struct buf junk;
    struct err err;

    (void)state;
    archive_open_real(&a, "nodicom");
    buf_init(&junk, 1000);
    buf_add_text(&junk, "plain text");
    in.fd = slice_fd(&junk);
    in.size = junk.n;
    assert_int_equal(keep_store_direct(a.keep, &in, &stored, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(folder_files(a.landing) + folder_files(a.landing_copy), 0);
    close(in.fd);
    buf_fini(&junk);
    vault_close(&a);
}

/* ---- many at once ---- */

enum { SENDERS = 4, EACH = 8 };

struct sender {
    struct vault *a;
    unsigned from;
};

static void *
send_some(void *arg)
{
    struct sender *me = arg;

    for (unsigned i = 0; i < EACH; i++) {
        char uid[40];
        /* Two senders share each instance: what is whole first wins, the other finds it. */
        unsigned number = me->from / 2 * EACH + i;
        struct slice s = {.study = "1.2.7",
                          .series = i % 2 == 0 ? "1.2.7.1" : "1.2.7.2",
                          .instance = uid,
                          .number = number,
                          .noise = number};
        enum link_state state;

        snprintf(uid, sizeof uid, "1.2.7.1.%u", number);
        state = vault_put(me->a, &gate, &s);
        CHECK(state == LINK_HELD || state == LINK_SEALED); /* no cmocka in this thread */
    }
    return NULL;
}

static void
many_bundles_of_one_study_at_once_catalogue_each_instance_once(void **state)
{
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    archive_open_real(&a, "many");
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&a, i};
        threads[i] = thread_start("sender", send_some, &senders[i]);
    }
    for (unsigned i = 0; i < SENDERS; i++)
        thread_join(threads[i]);

    OK(keep_standing_get(a.keep, "clinic-a", "1.2.7", &standing, &err));
    assert_int_equal(standing.whole, SENDERS / 2 * EACH);
    assert_int_equal(standing.quarantined, 0);
    assert_int_equal(folder_files(a.landing), SENDERS / 2 * EACH);
    vault_close(&a);
}

static void
the_audit_tells_of_arrivals_and_seals(void **state)
{
    struct slice s = {.study = "1.2.3", .series = "1.2.3.1", .instance = "1.2.3.1.1"};
    struct audit_verdict before, after;
    struct audit *audit = NULL;
    struct vault a;
    char dir[200];
    struct err err;
    int sealed;

    (void)state;
    archive_open_real(&a, "audit");
    snprintf(dir, sizeof dir, "%s/audit", a.dir);
    OK(audit_open(dir, "storage", &audit, &err));
    OK(audit_verify(dir, NULL, NULL, &before, &err));
    keep_close(&a.keep);
    OK(keep_open_idle(&a.options, pool, audit, &a.keep, &err));
    assert_int_equal(vault_put(&a, &gate, &s), LINK_HELD);
    vault_manifest(&a, &gate, 1, &s, 1);
    OK(keep_work(a.keep, &sealed, &err));
    OK(audit_verify(dir, NULL, NULL, &after, &err));
    assert_true(after.entries >= before.entries + 2);
    keep_close(&a.keep);
    audit_close(&audit);
    vault_close(&a);
}

static int
start(void **state)
{
    struct err err;

    (void)state;
    log_set_fd(-1);
    OK(codec_pool_new(2, &pool, &err));
    cluster = pg_cluster_start();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    pg_cluster_remove(&cluster);
    codec_pool_free(&pool);
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_look_shows_and_the_whole_is_restored_bit_for_bit),
        cmocka_unit_test(a_coded_image_is_found_in_its_pack_with_all_that_restores_it),
        cmocka_unit_test(a_file_that_is_not_what_its_offer_says_is_set_aside),
        cmocka_unit_test(what_is_no_dicom_is_refused_to_a_direct_sender),
        cmocka_unit_test(many_bundles_of_one_study_at_once_catalogue_each_instance_once),
        cmocka_unit_test(the_audit_tells_of_arrivals_and_seals),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
