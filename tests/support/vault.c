/* vault.c - an archive of a test's own. */
#include "tests/support/vault.h"

#include "proto/base/log.h"
#include "proto/dicom/dataset_digest.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"
#include "proto/trust/digest.h"
#include "storage/keep/keep_own.h"

#include <dirent.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const char ct_class[] = "1.2.840.10008.5.1.4.1.1.2";
static const char explicit_le[] = "1.2.840.10008.1.2.1";

struct pg_cluster *vault_cluster;

int
vault_start(void **state)
{
    (void)state;
    log_set_fd(-1);
    vault_cluster = pg_cluster_start();
    return 0;
}

int
vault_stop(void **state)
{
    (void)state;
    pg_cluster_remove(&vault_cluster);
    return 0;
}

static void
check(int rc, const struct err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

/* Facts and digests in this process: uncoded samples only. */
static int
inspect_here(struct codec_pool *pool, const struct codec_source *source,
             struct dcm_facts *out_facts, struct dcm_digests *out, struct err *err)
{
    uint8_t *bytes = mem_new((size_t)source->size + 1);
    bool is_decoded;
    int rc = -1;

    (void)pool;
    if (pread(source->fd, bytes, (size_t)source->size, (off_t)source->offset) !=
        (ssize_t)source->size) {
        err_set(err, ERR_RETRY, "short read");
        goto out;
    }
    digest_bytes(bytes, (size_t)source->size, out->file);
    if (dcm_facts_read(bytes, (size_t)source->size, false, out_facts, err) < 0 ||
        dcm_dataset_digest(bytes, (size_t)source->size, out->dataset, err) < 0 ||
        dcm_pixels_digest(bytes, (size_t)source->size, NULL, NULL, out->pixels, &is_decoded, err) <
            0)
        goto out;
    rc = 0;
out:
    free(bytes);
    return rc;
}

void
vault_open(struct vault *a, struct pg_cluster *cluster, const char *database)
{
    struct err err;

    *a = (struct vault){.cluster = cluster};
    keep_inspect = inspect_here;
    folder_make("archive", a->dir);
    snprintf(a->landing, sizeof a->landing, "%s/landing", a->dir);
    snprintf(a->landing_copy, sizeof a->landing_copy, "%s/landing-copy", a->dir);
    for (int i = 0; i < KEEP_COPIES; i++)
        snprintf(a->stores[i], sizeof a->stores[i], "%s/store-%d", a->dir, i + 1);
    a->conninfo = pg_cluster_database(cluster, database);
    a->options = (struct keep_options){.conninfo = a->conninfo,
                                       .connections = 4,
                                       .landing = a->landing,
                                       .landing_copy = a->landing_copy,
                                       .stores = {a->stores[0], a->stores[1]},
                                       .quiet_ms = 0,
                                       .clean_after_ms = 0};
    check(keep_open_idle(&a->options, NULL, NULL, &a->keep, &err), &err);
    check(keep_tenant_add(a->keep, "clinic-a", "A", &err), &err);
    check(keep_tenant_add(a->keep, "clinic-b", "B", &err), &err);
}

void
vault_decode_by(struct vault *a, struct codec_pool *pool)
{
    struct err err;

    keep_inspect = codec_inspect;
    keep_close(&a->keep);
    check(keep_open_idle(&a->options, pool, NULL, &a->keep, &err), &err);
}

void
vault_reopen(struct vault *a)
{
    struct err err;

    keep_close(&a->keep);
    check(keep_open_idle(&a->options, NULL, NULL, &a->keep, &err), &err);
}

void
vault_close(struct vault *a)
{
    keep_close(&a->keep);
    folder_remove(a->dir);
    free(a->conninfo);
}

struct slice
vault_ct(unsigned number)
{
    static char uids[64][32];
    struct slice s = {.study = "1.2.3", .series = "1.2.3.1", .number = number, .noise = number};

    snprintf(uids[number % 64], sizeof uids[0], "1.2.3.1.%u", number);
    s.instance = uids[number % 64];
    return s;
}

void
vault_sql(const struct vault *a, const char *sql)
{
    PGconn *db = PQconnectdb(a->conninfo);
    PGresult *result = PQexec(db, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(db));
    PQclear(result);
    PQfinish(db);
}

void
slice_make(const struct slice *s, struct buf *out)
{
    unsigned rows = s->rows == 0 ? 16 : s->rows;
    uint16_t *pixels = mem_new((size_t)rows * rows * 2);
    uint32_t v = s->noise + 1;
    struct dcm_writer w;
    struct err err;
    char number[16];

    for (size_t i = 0; i < (size_t)rows * rows; i++) {
        v = v * 1664525 + 1013904223;
        pixels[i] = (uint16_t)(v >> 20);
    }
    snprintf(number, sizeof number, "%u", s->number);
    buf_init(out, 128 << 20);
    check(part10_head(out, ct_class, s->instance, explicit_le, "CT1", &err), &err);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, NULL, ct_class);
    dcm_write_text(&w, 0x00080018, NULL, s->instance);
    dcm_write_text(&w, 0x00080020, NULL, "20260131");
    dcm_write_text(&w, 0x00080030, NULL, "101112");
    dcm_write_text(&w, 0x00080050, NULL, "ACC1");
    dcm_write_text(&w, 0x00080060, NULL, "CT");
    dcm_write_text(&w, 0x00081030, NULL, "HEAD");
    dcm_write_text(&w, 0x00100010, NULL, s->patient_name != NULL ? s->patient_name : "WANG^XIAO");
    dcm_write_text(&w, 0x00100020, NULL, s->patient_id != NULL ? s->patient_id : "P1");
    dcm_write_text(&w, 0x0020000D, NULL, s->study);
    dcm_write_text(&w, 0x0020000E, NULL, s->series);
    dcm_write_text(&w, 0x00200011, NULL, "2");
    dcm_write_text(&w, 0x00200013, NULL, number);
    dcm_write_u16(&w, 0x00280002, 1);
    dcm_write_text(&w, 0x00280004, NULL, "MONOCHROME2");
    dcm_write_u16(&w, 0x00280010, (uint16_t)rows);
    dcm_write_u16(&w, 0x00280011, (uint16_t)rows);
    dcm_write_u16(&w, 0x00280100, 16);
    dcm_write_u16(&w, 0x00280101, 12);
    dcm_write_u16(&w, 0x00280102, 11);
    dcm_write_u16(&w, 0x00280103, 0);
    dcm_write_bytes(&w, 0x7FE00010, "OW", pixels, (size_t)rows * rows * 2);
    free(pixels);
    assert_false(buf_is_over(out));
}

void
report_make(const struct slice *s, struct buf *out)
{
    static const char sr_class[] = "1.2.840.10008.5.1.4.1.1.88.11";
    struct dcm_writer w;
    struct err err;

    buf_init(out, 1 << 20);
    check(part10_head(out, sr_class, s->instance, explicit_le, "READER", &err), &err);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, NULL, sr_class);
    dcm_write_text(&w, 0x00080018, NULL, s->instance);
    dcm_write_text(&w, 0x00080020, NULL, "20260131");
    dcm_write_text(&w, 0x00080060, NULL, "SR");
    dcm_write_text(&w, 0x00080070, "LO", "Radpost");
    dcm_write_text(&w, 0x00100010, NULL, s->patient_name != NULL ? s->patient_name : "WANG^XIAO");
    dcm_write_text(&w, 0x00100020, NULL, s->patient_id != NULL ? s->patient_id : "P1");
    dcm_write_text(&w, 0x0020000D, NULL, s->study);
    dcm_write_text(&w, 0x0020000E, NULL, s->series);
    dcm_write_text(&w, 0x00200011, NULL, "900");
    dcm_write_text(&w, 0x0040A040, NULL, "CONTAINER");
    dcm_write_text(&w, 0x0040A491, NULL, s->noise == 0 ? "COMPLETE" : "PARTIAL");
    assert_false(buf_is_over(out));
}

int
slice_fd(const struct buf *file)
{
    int fd = memfd_create("sample", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, file->bytes, file->n), (ssize_t)file->n);
    return fd;
}

static void
copy_uid(char out[LINK_UID_SIZE], const char *uid)
{
    snprintf(out, LINK_UID_SIZE, "%s", uid);
}

void
slice_offer(const struct slice *s, const struct buf *file, struct link_offer_object *out)
{
    struct codec_source source = {.fd = slice_fd(file), .size = file->n};
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct dcm_digests digests;
    struct err err;

    check(inspect_here(NULL, &source, facts, &digests, &err), &err);
    close(source.fd);
    *out = (struct link_offer_object){.size = file->n};
    memcpy(out->object, digests.file, 32);
    memcpy(out->received, digests.file, 32);
    memcpy(out->pixels, digests.pixels, 32);
    memcpy(out->dataset, digests.dataset, 32);
    copy_uid(out->sop_instance, s->instance);
    copy_uid(out->sop_class, ct_class);
    copy_uid(out->study, facts->study_uid);
    copy_uid(out->series, facts->series_uid);
    copy_uid(out->transfer_syntax, explicit_le);
    copy_uid(out->received_syntax, explicit_le);
    free(facts);
}

enum link_state
vault_send(struct vault *a, const struct keep_sender *sender, const struct link_offer_object *o,
           const struct buf *file)
{
    struct link_piece piece = {.bytes = file->bytes, .n = file->n};
    struct keep_bundle *b = NULL;
    struct link_answer answer;
    enum link_state state;
    struct err err;

    memcpy(piece.object, o->object, 32);
    check(keep_bundle_begin(a->keep, sender, &b, &err), &err);
    check(keep_bundle_piece(b, &piece, &err), &err);
    check(keep_bundle_end(b, &answer, &err), &err);
    assert_int_equal(answer.count, 1);
    state = answer.objects[0].state;
    link_answer_free(&answer);
    keep_bundle_free(&b);
    return state;
}

void
vault_ask(struct vault *a, const struct keep_sender *sender, const struct link_offer_object *o,
          struct link_answer *out)
{
    struct link_offer_object one = *o;
    struct link_offer offer = {&one, 1};
    struct err err;

    check(keep_offer(a->keep, sender, &offer, out, &err), &err);
}

void
vault_offer(struct vault *a, const struct keep_sender *sender, const struct slice *s,
            struct link_offer_object *out, struct buf *out_file)
{
    struct link_answer answer;

    slice_make(s, out_file);
    slice_offer(s, out_file, out);
    vault_ask(a, sender, out, &answer);
    link_answer_free(&answer);
}

enum link_state
vault_put(struct vault *a, const struct keep_sender *sender, const struct slice *s)
{
    struct link_offer_object o;
    struct link_offer offer = {&o, 1};
    struct link_answer answer;
    enum link_state state;
    struct buf file;
    struct err err;

    slice_make(s, &file);
    slice_offer(s, &file, &o);
    check(keep_offer(a->keep, sender, &offer, &answer, &err), &err);
    state = answer.objects[0].state;
    if (state == LINK_WANTED || state == LINK_CONFLICT)
        state = vault_send(a, sender, &o, &file);
    link_answer_free(&answer);
    buf_fini(&file);
    return state;
}

void
vault_manifest(struct vault *a, const struct keep_sender *sender, uint32_t revision,
               const struct slice *samples, size_t n)
{
    vault_announce(a, sender, revision, 0, samples, n);
}

static void
list_fill(struct link_manifest *m, uint32_t revision, const struct slice *samples, size_t n)
{
    m->revision = revision;
    m->closed_at_us = 1700000000000000;
    m->count = n;
    m->instances = mem_new((n + 1) * sizeof *m->instances);
    for (size_t i = 0; i < n; i++) {
        struct link_offer_object o;
        struct buf file;

        slice_make(&samples[i], &file);
        slice_offer(&samples[i], &file, &o);
        copy_uid(m->study, o.study);
        copy_uid(m->instances[i].sop_instance, o.sop_instance);
        memcpy(m->instances[i].object, o.object, 32);
        memcpy(m->instances[i].pixels, o.pixels, 32);
        memcpy(m->instances[i].dataset, o.dataset, 32);
        buf_fini(&file);
    }
}

int
vault_tell(struct vault *a, const struct keep_sender *sender, uint32_t revision,
           const struct slice *samples, size_t n, const struct slice *left, size_t left_n,
           struct err *err)
{
    struct link_manifest m = {.names_left = true, .left_n = left_n}, gone = {0};
    int rc;

    list_fill(&gone, revision, left, left_n);
    copy_uid(m.study, gone.study);
    list_fill(&m, revision, samples, n);
    m.left = mem_new((left_n + 1) * sizeof *m.left);
    for (size_t i = 0; i < left_n; i++) {
        copy_uid(m.left[i].sop_instance, gone.instances[i].sop_instance);
        memcpy(m.left[i].object, gone.instances[i].object, 32);
    }
    rc = keep_manifest(a->keep, sender, &m, err);
    link_manifest_free(&gone);
    link_manifest_free(&m);
    return rc;
}

void
vault_announce(struct vault *a, const struct keep_sender *sender, uint32_t revision,
               uint32_t announced, const struct slice *samples, size_t n)
{
    struct link_manifest m = {.announced = announced};
    struct err err;

    list_fill(&m, revision, samples, n);
    check(keep_manifest(a->keep, sender, &m, &err), &err);
    free(m.instances);
}

int
vault_work(struct vault *a)
{
    struct err err;
    int sealed = 0;

    check(keep_work(a->keep, &sealed, &err), &err);
    return sealed;
}

struct told {
    const char *const *skipped;
    char text[2048];
};

static int
write_event(void *user, const struct keep_event *event)
{
    struct told *told = user;
    size_t n = strlen(told->text);

    for (const char *const *word = told->skipped; *word != NULL; word++)
        if (strstr(event->kind, *word) != NULL)
            return 0;
    snprintf(told->text + n, sizeof told->text - n, "%s%s\n", event->kind, event->detail);
    return 0;
}

void
vault_assert_events(struct vault *a, const char *const *skipped, const char *wanted)
{
    struct told told = {.skipped = skipped};
    struct err err;

    check(keep_events(a->keep, "clinic-a", 0, 0, write_event, &told, &err), &err);
    assert_string_equal(told.text, wanted);
}

int
vault_see(void *user, const struct keep_place *place, struct err *err)
{
    struct vault_seen *seen = user;

    (void)err;
    seen->n++;
    seen->sealed += place->is_sealed;
    if (seen->first == NULL)
        seen->first = keep_place_copy(place);
    return 0;
}

void
vault_place_reads(const struct vault *a, const struct keep_place *place)
{
    uint8_t found[32];
    struct err err;
    int fd = -1;

    check(keep_open_place(a->keep, place, &fd, &err), &err);
    check(digest_file(fd, place->offset, place->size, found, &err), &err);
    assert_memory_equal(found, place->object, 32);
    close(fd);
}

size_t
folder_files(const char *path)
{
    DIR *folder = opendir(path);
    size_t n = 0;

    if (folder == NULL)
        return 0;
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        char below[512];

        if (e->d_name[0] == '.' || strcmp(e->d_name, "store.id") == 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        n += e->d_type == DT_DIR ? folder_files(below) : 1;
    }
    closedir(folder);
    return n;
}
