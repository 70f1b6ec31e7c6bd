/* test_import_api.c - the inbox of files over the desk's own routes. */
#include "gateway/desk/import_api.h"
#include "gateway/desk/import_whose.h"

#include "gateway/accept/accept.h"
#include "gateway/desk/desk.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/dicom/facts.h"
#include "proto/http/client.h"
#include "proto/trust/digest.h"
#include "tests/support/desk_site.h"
#include "tests/support/desk_visitor.h"
#include "tests/support/folder.h"
#include "tests/support/import_files.h"
#include "tests/support/import_disc.h"
#include "tests/support/import_world.h"
#include "tests/support/run_program.h"
#include "tests/support/serve_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MEDIA "../shared/data/media"

static struct codec_pool *pool;
enum { WAIT_MS = 60000 };

static struct desk_site site;
static struct desk_visitor technician;

static int
start(void **state)
{
    struct err err;

    import_world_setup(state);
    if (codec_pool_new(1, &pool, &err) < 0)
        fail_msg("%s", err.text);
    world_options.pool = pool;
    world_begin();
    desk_site_open(&site, "import-api", world_spool);
    site.pool = pool;
    site.page.clinic_name = "云岭乡卫生院";
    site.page.clinic_phone = "04318888888";
    site.page.import = world_import;
    if (accept_listen(site.door, &err) < 0)
        fail_msg("%s", err.text);
    desk_site_go_live(&site);
    desk_visit(site.desk_dir, DESK_TECHNICIAN, &technician);
    return 0;
}

static int
stop(void **state)
{
    desk_site_close(&site);
    (void)import_world_teardown(state);
    codec_pool_free(&pool);
    return 0;
}

/* The status; the answer's JSON is in site.doc. */
static int
ask(const char *method, const char *path, const char *body)
{
    return desk_site_ask(&site, technician.headers, method, path, body);
}

static const char *
said(const char *key)
{
    const char *text = json_as_text(json_find(json_root(site.doc), key));

    return text != NULL ? text : "";
}

/* A person of the file's sex and birth date; bind's body in out. */
static void
registered(const char *sex, char out[96])
{
    char body[256];

    snprintf(body, sizeof body,
             "{\"name\":\"王小明\",\"sex\":\"%s\",\"birth\":\"19670309\",\"modality\":\"ECG\"}",
             sex);
    assert_int_equal(ask("POST", "/desk/v1/registrations", body), 200);
    snprintf(out, 96, "{\"registration\":\"%s\"}", said("registration"));
}

/* Drop it, wait for it; its id. */
static void
waits(const char *name, char id[IMPORT_ID_SIZE])
{
    struct import_item item;

    world_drop_file(world_drop, name, &world_file);
    world_wait(1u << IMPORT_WAITING, 1, &item);
    memcpy(id, item.id, IMPORT_ID_SIZE);
}

static const char *
route(const char *id, const char *verb)
{
    static char path[128];

    snprintf(path, sizeof path, "/desk/v1/imports/%s/%s", id, verb);
    return path;
}

static void
a_technician_sees_a_file_and_says_whose_it_is(void **state)
{
    char id[IMPORT_ID_SIZE], body[96];
    const struct json *item;

    (void)state;
    registered("F", body);
    buf_clear(&world_file);
    import_file_aecg(&(struct import_ecg){.leads = 12, .samples = 5000, .hertz = 500}, &world_file);
    waits("cart.xml", id);

    assert_int_equal(ask("GET", "/desk/v1/imports?state=waiting", NULL), 200);
    assert_int_equal(json_as_int(json_find(json_root(site.doc), "waiting"), -1), 1);
    item = json_at(json_find(json_root(site.doc), "items"), 0);
    assert_string_equal(json_as_text(json_find(item, "id")), id);
    assert_string_equal(json_as_text(json_find(item, "kind")), "aecg");
    assert_string_equal(json_as_text(json_find(json_find(item, "said"), "id")), "CART-0042");
    assert_int_equal(ask("GET", route(id, "source"), NULL), 200);
    assert_int_equal(site.reply.body.n, world_file.n);
    assert_memory_equal(site.reply.body.bytes, world_file.bytes, world_file.n);
    assert_int_equal(ask("GET", route(id, "preview"), NULL), 200);
    assert_string_equal(site.reply.type, "image/svg+xml");

    assert_int_equal(ask("POST", route(id, "bind"), body), 200);
    assert_int_equal(json_as_int(json_find(json_root(site.doc), "bound"), -1), 1);
    assert_int_equal(world_entries(NULL), 1);
    assert_int_equal(ask("GET", "/desk/v1/imports?state=bound", NULL), 200);
    item = json_at(json_find(json_root(site.doc), "items"), 0);
    assert_non_null(strstr(json_as_text(json_find(json_find(item, "bound"), "name")), "=王^小明"));
    assert_int_equal(ask("GET", "/desk/v1/state", NULL), 200);
    assert_int_equal(
        json_as_int(json_find(json_find(json_root(site.doc), "imports"), "waiting"), -1), 0);
    item = json_at(json_find(json_root(site.doc), "registrations"), 0);
    assert_string_not_equal(json_as_text(json_find(item, "study")), "");
}

static void
another_persons_file_is_asked_about(void **state)
{
    char id[IMPORT_ID_SIZE], body[96], sure[128];

    (void)state;
    registered("M", body);
    buf_clear(&world_file);
    import_file_scp(&(struct import_ecg){.leads = 2, .samples = 500, .hertz = 500}, &world_file);
    waits("cart.scp", id);

    assert_int_equal(ask("POST", route(id, "bind"), body), 409);
    assert_string_equal(said("word"), "other_person");
    assert_int_equal(world_entries(NULL), 0);
    snprintf(sure, sizeof sure, "%.*s,\"is_sure\":true}", (int)strlen(body) - 1, body);
    assert_int_equal(ask("POST", route(id, "bind"), sure), 200);
    assert_int_equal(ask("POST", route(id, "bind"), sure), 200); /* said twice */
    assert_int_equal(world_entries(NULL), 1);
}

static void
what_is_asked_wrongly_is_refused(void **state)
{
    char id[IMPORT_ID_SIZE];

    (void)state;
    buf_clear(&world_file);
    import_file_pdf("refused", &world_file);
    waits("a.pdf", id);

    assert_int_equal(ask("POST", route(id, "bind"), "{}"), 400);
    assert_int_equal(ask("POST", route(id, "bind"), "{\"registration\":\"NOBODY\"}"), 404);
    assert_int_equal(ask("POST", route(id, "discard"), "{\"reason\":\" \"}"), 400);
    assert_string_equal(said("word"), "reason");
    assert_int_equal(ask("POST", route(id, "discard"), "{\"reason\":\"空白页\"}"), 204);
    assert_int_equal(ask("POST", route(id, "discard"), "{\"reason\":\"空白页\"}"), 409);
    assert_int_equal(ask("POST", route(id, "reopen"), "{}"), 204);
    assert_int_equal(ask("GET", route(id, "preview"), NULL), 404);
    assert_int_equal(ask("GET", route("00000000000000000000000000000000", "source"), NULL), 404);
    assert_int_equal(ask("GET", "/desk/v1/imports?state=nonsense", NULL), 400);
    assert_int_equal(ask("GET", "/desk/v1/import-media", NULL), 200);
    assert_int_equal(ask("POST", "/desk/v1/import-media/nosuch", "{}"), 404);
}

/* A study in the state; NULL: not there, or the desk has not looked at it. */
static const struct json *
study_row(const char *study)
{
    const struct json *list = json_find(json_root(site.doc), "studies"), *row;

    for (size_t i = 0; (row = json_at(list, i)) != NULL; i++)
        if (strcmp(json_as_text(json_find(row, "study")), study) == 0)
            return json_find(row, "patient") != NULL ? row : NULL;
    return NULL;
}

/* An image from a device; until the desk knows of it. */
static void
arrives(struct serve_image *image, unsigned n)
{
    struct serve_world world = {.spool = site.spool};
    char sop[80], path[64];
    int64_t seen = 0;

    snprintf(sop, sizeof sop, "%s.1.%u", image->study, n);
    image->series = image->sop_instance = sop;
    image->modality = "DX";
    (void)serve_world_put(&world, image);
    do {
        snprintf(path, sizeof path, "/desk/v1/state?since=%lld&wait_s=5", (long long)seen);
        assert_int_equal(ask("GET", path, NULL), 200);
        seen = json_as_int(json_find(json_root(site.doc), "change"), 0);
    } while (study_row(image->study) == NULL);
}

/* What the newest entry of the spool says of itself. */
static void
newest_says(struct dcm_facts *out)
{
    struct buf bytes;
    struct err err;
    uint64_t entry;

    (void)world_entries(&entry);
    buf_init(&bytes, 16 << 20);
    world_bytes(entry, &bytes);
    assert_int_equal(dcm_facts_read(bytes.bytes, bytes.n, false, out, &err), 0);
    buf_fini(&bytes);
}

/* Most consoles give numbers of their own, so attaching by hand is the ordinary case: the centre
 * put every such file aside, as another patient's under the study's number. And beside a console's
 * pinyin a file in the patient's own name kept the report from being signed: two people under one
 * number. */
static void
a_file_is_one_patients_with_the_images_it_stands_among(void **state)
{
    static const struct {
        struct serve_image image; /* patient_id NULL: the registration's */
        bool is_among;
    } rows[] = {
        {{.patient_id = "DEMO-000001", .name = "Wang^XiaoMing"}, false},
        {{.patient_id = "", .name = "王小明"}, false},
        {{.name = "Wang^XiaoMing"}, true},
        {{.name = ""}, true},
        {{.name = "王小明"}, true},
        {{.name = "Zhao^Liu"}, false},
        {{.name = "Wang^XiaoMing", .issuer = "CT1"}, false},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        char id[IMPORT_ID_SIZE], body[96], number[24], study[32], path[96], attach[80];
        struct serve_image image = rows[i].image;
        struct dcm_facts *file = mem_new(sizeof *file);
        const struct json *row;

        registered("F", body);
        snprintf(number, sizeof number, "%s", said("registration"));
        snprintf(study, sizeof study, "1.2.77.%u", i + 1);
        image.study = study;
        if (image.patient_id == NULL)
            image.patient_id = number;
        arrives(&image, 1);
        snprintf(path, sizeof path, "/desk/v1/registrations/%s/attach", number);
        snprintf(attach, sizeof attach, "{\"study\":\"%s\"}", study);
        assert_int_equal(ask("POST", path, attach), 204);
        buf_clear(&world_file);
        import_file_pdf(number, &world_file);
        waits("ecg.pdf", id);

        assert_int_equal(ask("POST", route(id, "bind"), body), 200);

        newest_says(file);
        assert_string_equal(file->patient_id, number);
        if ((strcmp(file->study_uid, study) == 0) != rows[i].is_among)
            fail_msg("row %u: the file stands in %s", i, file->study_uid);
        if (rows[i].is_among)
            assert_string_equal(file->patient_name, image.name);
        else
            assert_non_null(strstr(file->patient_name, "=王^"));
        /* said once more, also when it has been looked into, it is where it was */
        do
            assert_int_equal(ask("GET", "/desk/v1/state", NULL), 200);
        while ((row = study_row(file->study_uid)) == NULL);
        assert_string_equal(json_as_text(json_find(row, "registration")), number);
        assert_int_equal(ask("POST", route(id, "bind"), body), 200);
        assert_int_equal(world_entries(NULL), 2 * (i + 1));
        free(file);
    }
}

/* A disc as a cart or console burns it: seen at the desk, taken twice, nothing doubles. */
static void
a_disc_with_a_dicomdir_is_taken_at_the_desk(void **state)
{
    char script[1024], out[256];
    const struct json *disc;
    bool has_dicomdir;
    struct err err;

    (void)state;
    if (access(MEDIA "/DICOMDIR", R_OK) < 0)
        skip();
    snprintf(script, sizeof script,
             "mkdir %s/disc && cp -r " MEDIA "/* %s/disc/ && chmod -R u+w %s/disc && "
             "rm %s/disc/98892003/MR2/4950",
             world_media, world_media, world_media, world_media);
    assert_int_equal(
        program_run((const char *const[]){"sh", "-c", script, NULL}, NULL, out, sizeof out), 0);
    assert_int_equal(ask("GET", "/desk/v1/import-media", NULL), 200);
    disc = json_at(json_find(json_root(site.doc), "media"), 0);
    assert_string_equal(json_as_text(json_find(disc, "name")), "disc");
    assert_int_equal(json_truth(disc, "has_dicomdir", &has_dicomdir, &err), 0);
    assert_true(has_dicomdir);
    assert_true(json_as_int(json_find(disc, "files"), 0) >= 31);

    for (int round = 0; round < 2; round++) {
        int64_t taken, sent, known;

        assert_int_equal(ask("POST", "/desk/v1/import-media/disc", "{}"), 200);
        taken = json_as_int(json_find(json_root(site.doc), "taken"), -1);
        sent = json_as_int(json_find(json_root(site.doc), "sent"), -1);
        known = json_as_int(json_find(json_root(site.doc), "known"), -1);
        assert_int_equal(json_as_int(json_find(json_root(site.doc), "missing"), -1), 1);
        assert_int_equal(json_as_int(json_find(json_root(site.doc), "unusable"), -1), 0);
        assert_int_equal(taken + sent + known, 30);
        if (round == 0)
            assert_int_equal(world_entries(NULL), sent);
        else
            assert_int_equal(taken, 0);
    }
    assert_true(world_entries(NULL) > 0);
    assert_int_equal(ask("POST", "/desk/v1/import-media/..", "{}"), 400);
}

/* How many images of the study have not come, as the desk shows it once they are as many. */
static bool
waits_for(const char *study, int64_t missing)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    int64_t change = 0;

    while (clock_mono_ms() < until_ms) {
        const struct json *studies;
        char path[80];

        snprintf(path, sizeof path, "/desk/v1/state?since=%lld&wait_s=1", (long long)change);
        assert_int_equal(ask("GET", path, NULL), 200);
        change = json_as_int(json_find(json_root(site.doc), "change"), 0);
        studies = json_find(json_root(site.doc), "studies");
        for (size_t i = 0; i < json_length(studies); i++)
            if (strcmp(json_as_text(json_find(json_at(studies, i), "study")), study) == 0 &&
                json_as_int(json_find(json_at(studies, i), "missing"), -1) == missing)
                return true;
    }
    return false;
}

/* The disc names three, two can be read: the study is not whole, and never safe to delete. */
static void
what_a_disc_names_and_does_not_give_is_expected(void **state)
{
    char path[512];

    (void)state;
    import_disc_make(world_media, "torn", "1.2.77", 1, 3);
    snprintf(path, sizeof path, "%s/torn/IM/I2", world_media);
    assert_int_equal(truncate(path, 0), 0);

    assert_int_equal(ask("POST", "/desk/v1/import-media/torn", "{}"), 200);

    assert_int_equal(json_as_int(json_find(json_root(site.doc), "sent"), -1), 2);
    assert_int_equal(json_as_int(json_find(json_root(site.doc), "missing"), -1), 1);
    assert_true(waits_for("1.2.77", 1));

    import_disc_make(world_media, "torn", "1.2.77", 2, 1); /* wiped clean */
    assert_int_equal(ask("POST", "/desk/v1/import-media/torn", "{}"), 200);
    assert_int_equal(json_as_int(json_find(json_root(site.doc), "missing"), -1), 0);
    assert_true(waits_for("1.2.77", 0));
}

static void
a_file_that_cannot_be_bound_says_why(void **state)
{
    char id[IMPORT_ID_SIZE], body[96], path[600], hex[DIGEST_HEX_BYTES];
    uint8_t sha256[DIGEST_BYTES];

    (void)state;
    registered("F", body);
    world_pdf("a");
    waits("a.pdf", id);
    digest_bytes(world_file.bytes, world_file.n, sha256);
    digest_text(sha256, hex);
    snprintf(path, sizeof path, "%s/files/%s", world_dir, hex);
    assert_int_equal(truncate(path, 8), 0); /* the disk lost it */
    assert_int_equal(ask("POST", route(id, "bind"), body), 400);

    assert_string_equal(said("word"), "cannot_wrap");
    assert_non_null(strstr(said("why"), "digest disagrees"));
}

/* It waited like any other, and binding it failed. */
static void
a_recording_that_dicom_has_no_class_for_is_unusable_at_once(void **state)
{
    static const unsigned rates[] = {100, 125, 2000};
    struct import_item item;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        struct import_ecg e = {.leads = 12, .samples = 10 * rates[i], .hertz = rates[i]};
        char name[32];

        snprintf(name, sizeof name, "hz%u.xml", rates[i]);
        buf_clear(&world_file);
        import_file_aecg(&e, &world_file);
        world_drop_file(world_drop, name, &world_file);
        world_wait(1u << IMPORT_UNUSABLE, i + 1, &item);
        assert_non_null(strstr(item.why, "DICOM allows 200 to 1000"));
    }
    assert_int_equal(world_count(1u << IMPORT_WAITING), 0);
}

/* Nobody without a session; a page from elsewhere has the cookie, but not the session's word. */
static void
who_is_not_signed_in_sees_and_binds_nothing(void **state)
{
    const char *const cookie_alone[] = {technician.cookie, NULL};
    struct http_call get = {.method = "GET", .path = "/desk/v1/imports", .answer_limit = 65536};
    struct http_call post = {.method = "POST",
                             .path = "/desk/v1/imports/rescan",
                             .content_type = "application/json",
                             .headers = cookie_alone,
                             .body = "{}",
                             .body_n = 2,
                             .answer_limit = 65536};
    struct err err;

    (void)state;
    desk_site_forget(&site);
    assert_int_equal(http_client_call(site.client, &get, &site.reply, &err), 0);
    assert_int_equal(site.reply.status, 401);
    desk_site_forget(&site);
    assert_int_equal(http_client_call(site.client, &post, &site.reply, &err), 0);
    assert_int_not_equal(site.reply.status, 204);
    assert_in_range(site.reply.status, 401, 403);
}

/* A cart's film: seen at the desk, bound, in the spool with its pictures. */
static void
a_film_of_a_cart_is_seen_and_bound(void **state)
{
    char id[IMPORT_ID_SIZE], body[96];
    struct buf sent;
    uint64_t entry;
    FILE *f;

    (void)state;
    registered("F", body);
    buf_clear(&world_file);
    f = fopen("tests/fuzz/seeds/fuzz_import/film-jpeg.avi", "rb");
    assert_non_null(f);
    world_file.n = fread(buf_reserve(&world_file, 65536), 1, 65536, f);
    fclose(f);
    waits("clip.avi", id);

    assert_int_equal(ask("GET", route(id, "preview"), NULL), 200);
    assert_string_equal(site.reply.type, "image/jpeg");
    assert_memory_equal(site.reply.body.bytes, "\xFF\xD8", 2);
    assert_int_equal(ask("POST", route(id, "bind"), body), 200);

    assert_int_equal(world_entries(&entry), 1);
    buf_init(&sent, 1 << 20);
    world_bytes(entry, &sent);
    assert_non_null(memmem(sent.bytes, sent.n, "1.2.840.10008.5.1.4.1.1.7.4", 27));
    buf_fini(&sent);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_technician_sees_a_file_and_says_whose_it_is),
        TEST(a_film_of_a_cart_is_seen_and_bound),
        TEST(another_persons_file_is_asked_about),
        TEST(a_file_is_one_patients_with_the_images_it_stands_among),
        TEST(what_is_asked_wrongly_is_refused),
        TEST(a_disc_with_a_dicomdir_is_taken_at_the_desk),
        TEST(what_a_disc_names_and_does_not_give_is_expected),
        TEST(a_file_that_cannot_be_bound_says_why),
        TEST(a_recording_that_dicom_has_no_class_for_is_unusable_at_once),
        TEST(who_is_not_signed_in_sees_and_binds_nothing),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
