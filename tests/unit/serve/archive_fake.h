/* archive_fake.h - the archive's DIMSE door over a catalog, audit log and decoder of the test's
 * own: what they say is the test's to choose, what they were asked is written down. Definitions,
 * not only declarations: included once, by a test, in whose program they take the place of the
 * real. */
#ifndef RADPOST_TESTS_ARCHIVE_FAKE_H
#define RADPOST_TESTS_ARCHIVE_FAKE_H

#include "proto/base/durable.h"
#include "proto/base/thread.h"
#include "proto/codec/codec.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/write.h"
#include "proto/trust/audit.h"
#include "storage/keep/keep.h"
#include "proto/dicom/dimse_identifier.h"
#include "storage/serve/dimse_serve.h"
#include "tests/support/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/mman.h>

#define FAKE_STUDY "1.2.826.0.1.1"
#define FAKE_SERIES_A "1.2.826.0.1.1.1"
#define FAKE_SERIES_B "1.2.826.0.1.1.2"

struct catalog_row {
    const char *series, *sop_instance, *syntax;
    bool is_on_its_way;
};

struct catalog_fake {
    struct catalog_row rows[8];
    size_t n;
    bool is_away;
    unsigned rights;
    uint16_t destination_port;
    enum err_kind store_fails, room_fails, more_fails;
    int claims_ended;
    uint64_t stored_bytes;
    unsigned stores, ended;
    unsigned audited[32]; /* by event */
    bool audit_fails;
    char last_name[200];    /* what was asked */
    const char *said_study; /* what the files say; NULL: what the catalog says */
    struct gate gate;
};

static struct catalog_fake catalog_fake;

/* Three images in two series, all rights. */
static void
catalog_fake_init(void)
{
    memset(&catalog_fake, 0, sizeof catalog_fake);
    gate_init(&catalog_fake.gate);
    catalog_fake.rights = RIGHT_QUERY | RIGHT_RETRIEVE | RIGHT_STORE;
    catalog_fake.n = 3;
    catalog_fake.rows[0] =
        (struct catalog_row){FAKE_SERIES_A, "1.2.826.0.1.1.1.1", DCM_UID_EXPLICIT_LE, false};
    catalog_fake.rows[1] =
        (struct catalog_row){FAKE_SERIES_A, "1.2.826.0.1.1.1.2", DCM_UID_EXPLICIT_LE, false};
    catalog_fake.rows[2] =
        (struct catalog_row){FAKE_SERIES_B, "1.2.826.0.1.1.2.1", DCM_UID_EXPLICIT_LE, false};
}

static void
catalog_fake_fini(void)
{
    gate_fini(&catalog_fake.gate);
}

int
keep_ae_find(struct keep *k, const char *ae, const char *host, struct keep_ae *out, struct err *err)
{
    (void)k;
    if (catalog_fake.is_away)
        return err_set(err, ERR_RETRY, "catalog is away");
    if (strncmp(ae, "VIEWER", 6) != 0 || strcmp(host, "127.0.0.1") != 0)
        return err_set(err, ERR_NOT_FOUND, "no such AE title");
    *out = (struct keep_ae){.tenant = "clinic-a", .rights = catalog_fake.rights};
    return 0;
}

int
keep_destination_find(struct keep *k, const char *tenant, const char *ae, struct keep_ae *out,
                      struct err *err)
{
    (void)k;
    assert_string_equal(tenant, "clinic-a");
    if (strcmp(ae, "DEST") != 0)
        return err_set(err, ERR_NOT_FOUND, "no such destination");
    *out =
        (struct keep_ae){.ae = "DEST", .host = "127.0.0.1", .port = catalog_fake.destination_port};
    return 0;
}

int
keep_check(struct keep *k, struct err *err)
{
    (void)k;
    return catalog_fake.is_away ? err_set(err, ERR_RETRY, "catalog is away") : 0;
}

int
keep_find(struct keep *k, const struct keep_query *q, keep_on_row on_row, void *user,
          struct err *err)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct keep_row row = {.facts = facts, .modalities = "CT", .study_series = 2};
    int go_on = 0;

    (void)k;
    (void)err;
    assert_string_equal(q->tenant, "clinic-a");
    snprintf(catalog_fake.last_name, sizeof catalog_fake.last_name, "%s",
             q->patient_name ? q->patient_name : "");
    snprintf(facts->patient_name, sizeof facts->patient_name, "Zhang^San=张^三");
    snprintf(facts->patient_id, sizeof facts->patient_id, "P1");
    snprintf(facts->study_uid, sizeof facts->study_uid, FAKE_STUDY);
    snprintf(facts->study_date, sizeof facts->study_date, "20260102");
    row.study_instances = catalog_fake.n;
    for (size_t i = 0; i < catalog_fake.n && go_on == 0; i++) {
        if (q->level == KEEP_SERIES && i > 0 &&
            strcmp(catalog_fake.rows[i].series, catalog_fake.rows[i - 1].series) == 0)
            continue;
        snprintf(facts->series_uid, sizeof facts->series_uid, "%s", catalog_fake.rows[i].series);
        snprintf(facts->sop_instance, sizeof facts->sop_instance, "%s",
                 catalog_fake.rows[i].sop_instance);
        snprintf(facts->modality, sizeof facts->modality, "CT");
        facts->instance_number = (int64_t)i;
        facts->rows = facts->cols = 512;
        go_on = on_row(user, &row);
        if (q->level == KEEP_STUDY)
            break;
    }
    free(facts);
    return 0;
}

static void
fill_place(const struct catalog_row *row, struct keep_place *place)
{
    snprintf(place->study, sizeof place->study, FAKE_STUDY);
    snprintf(place->series, sizeof place->series, "%s", row->series);
    snprintf(place->sop_class, sizeof place->sop_class, DCM_UID_CT_IMAGE);
    snprintf(place->sop_instance, sizeof place->sop_instance, "%s", row->sop_instance);
    snprintf(place->transfer_syntax, sizeof place->transfer_syntax, "%s", row->syntax);
}

int
keep_instances(struct keep *k, const char *tenant, const char *study, const char *series,
               const char *sop_instance, keep_on_place on_place, void *user, struct err *err)
{
    size_t found = 0, awaited = 0;

    (void)k;
    assert_string_equal(tenant, "clinic-a");
    for (size_t i = 0; i < catalog_fake.n; i++) {
        struct keep_place place = {.offset = 0};
        if (strcmp(study, FAKE_STUDY) != 0 ||
            (series != NULL && strcmp(series, catalog_fake.rows[i].series) != 0) ||
            (sop_instance != NULL && strcmp(sop_instance, catalog_fake.rows[i].sop_instance) != 0))
            continue;
        awaited += catalog_fake.rows[i].is_on_its_way;
        if (catalog_fake.rows[i].is_on_its_way)
            continue;
        fill_place(&catalog_fake.rows[i], &place);
        found++;
        if (on_place(user, &place, err) < 0)
            return -1;
    }
    if (found > 0)
        return 0;
    return awaited > 0 ? err_set(err, ERR_RETRY, "still on its way")
                       : err_set(err, ERR_NOT_FOUND, "nothing of that name");
}

struct keep_place *
keep_place_copy(const struct keep_place *place)
{
    struct keep_place *copy = mem_new(sizeof *copy);

    *copy = *place;
    return copy;
}

void
keep_place_free(struct keep_place **place)
{
    free(TAKE(*place));
}

int
keep_previews(struct keep *k, const char *tenant, const char *study, const char *sop_instance,
              keep_on_preview on_preview, void *user, struct err *err)
{
    (void)k;
    (void)tenant;
    for (size_t i = 0; i < catalog_fake.n; i++) {
        struct keep_preview p = {.size = 0};
        if (!catalog_fake.rows[i].is_on_its_way || strcmp(study, FAKE_STUDY) != 0 ||
            (sop_instance != NULL && strcmp(sop_instance, catalog_fake.rows[i].sop_instance) != 0))
            continue;
        snprintf(p.study, sizeof p.study, FAKE_STUDY);
        snprintf(p.series, sizeof p.series, "%s", catalog_fake.rows[i].series);
        snprintf(p.sop_class, sizeof p.sop_class, DCM_UID_CT_IMAGE);
        snprintf(p.sop_instance, sizeof p.sop_instance, "%s", catalog_fake.rows[i].sop_instance);
        if (on_preview(user, &p, err) < 0)
            return -1;
    }
    return 0;
}

/* A small CT of one pixel row in explicit little endian. */
static void
make_file(const char *series, const char *sop_instance, const char *syntax, struct buf *out)
{
    struct dcm_writer w;
    struct err err = {0};
    uint8_t pixels[64];

    memset(pixels, 7, sizeof pixels);
    assert_int_equal(part10_head(out, DCM_UID_CT_IMAGE, sop_instance, syntax, "TEST", &err), 0);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, NULL, DCM_UID_CT_IMAGE);
    dcm_write_text(&w, 0x00080018, NULL, sop_instance);
    dcm_write_text(&w, 0x00080060, NULL, "CT");
    dcm_write_text(&w, 0x00100010, NULL, "Zhang^San");
    dcm_write_text(&w, 0x00100020, NULL, "P1");
    dcm_write_text(&w, 0x0020000D, "UI",
                   catalog_fake.said_study != NULL ? catalog_fake.said_study : FAKE_STUDY);
    dcm_write_text(&w, 0x0020000E, NULL, series);
    dcm_write_u16(&w, 0x00280002, 1);
    dcm_write_text(&w, 0x00280004, NULL, "MONOCHROME2");
    dcm_write_u16(&w, 0x00280010, 4);
    dcm_write_u16(&w, 0x00280011, 8);
    dcm_write_u16(&w, 0x00280100, 16);
    dcm_write_u16(&w, 0x00280101, 16);
    dcm_write_u16(&w, 0x00280102, 15);
    dcm_write_u16(&w, 0x00280103, 0);
    dcm_write_bytes(&w, 0x7FE00010, "OW", pixels, sizeof pixels);
}

int
keep_open_place(struct keep *k, const struct keep_place *place, int *out_fd, struct err *err)
{
    struct buf file;
    int fd = memfd_create("place", MFD_CLOEXEC);

    (void)k;
    buf_init(&file, 65536);
    make_file(place->series, place->sop_instance, place->transfer_syntax, &file);
    assert_int_equal(durable_write(fd, file.bytes, file.n, err), 0);
    /* The place has its size only now; it is the test's own copy. */
    ((struct keep_place *)(uintptr_t)place)->size = file.n;
    buf_fini(&file);
    *out_fd = fd;
    return 0;
}

int
keep_claim(struct keep *k, struct keep_claim *claim, uint64_t size, struct err *err)
{
    enum err_kind fails = size == 0 ? catalog_fake.room_fails : catalog_fake.more_fails;

    (void)k;
    assert_string_equal(claim->tenant, "clinic-a");
    assert_string_equal(claim->way, "C-STORE");
    assert_string_equal(claim->sop_instance, "1.2.3.4");
    claim->bytes = size + 1;
    return fails == ERR_NONE ? 0 : err_set(err, fails, "as the test says");
}

void
keep_claim_end(struct keep *k, struct keep_claim *claim)
{
    (void)k;
    if (claim->bytes > 0)
        catalog_fake.claims_ended++;
    claim->bytes = 0;
}

int
keep_store_direct(struct keep *k, const struct keep_incoming *in, struct keep_stored *out,
                  struct err *err)
{
    (void)k;
    (void)out;
    assert_string_equal(in->tenant, "clinic-a");
    assert_string_equal(in->way, "C-STORE");
    if (catalog_fake.store_fails != ERR_NONE)
        return err_set(err, catalog_fake.store_fails, "as the test says");
    gate_lock(&catalog_fake.gate);
    catalog_fake.stores++;
    catalog_fake.stored_bytes = in->size;
    gate_unlock(&catalog_fake.gate);
    return 0;
}

void
keep_association_end(struct keep *k, uint64_t association)
{
    (void)k;
    assert_int_not_equal(association, 0);
    gate_lock(&catalog_fake.gate);
    catalog_fake.ended++;
    gate_wake(&catalog_fake.gate);
    gate_unlock(&catalog_fake.gate);
}

int
codec_transcode(struct codec_pool *pool, const struct codec_source *source, const char *to,
                int *out_fd, uint64_t *out_size, struct err *err)
{
    struct buf file;

    (void)pool;
    (void)source;
    if (strcmp(to, DCM_UID_EXPLICIT_LE) != 0)
        return err_set(err, ERR_NOT_FOUND, "no decoder");
    buf_init(&file, 65536);
    make_file(FAKE_SERIES_A, "1.2.826.0.1.1.1.9", to, &file);
    *out_fd = memfd_create("decoded", MFD_CLOEXEC);
    *out_size = file.n;
    int rc = durable_write(*out_fd, file.bytes, file.n, err);
    buf_fini(&file);
    return rc;
}

int
audit_append_fields(struct audit *audit, enum audit_event event, const struct audit_field *fields,
                    struct err *err)
{
    (void)audit;
    (void)fields;
    if (catalog_fake.audit_fails)
        return err_set(err, ERR_RETRY, "audit log takes no entry");
    catalog_fake.audited[event]++;
    return 0;
}

/* ---- the door over it ---- */

static struct dimse_serve *archive;
static char dir[FOLDER_PATH_BYTES];

static int
begin(void **state)
{
    static char log; /* only its address is asked for */
    struct dimse_serve_options options = {.address = "127.0.0.1",
                                          .ae = "ARCHIVE",
                                          .scratch = dir,
                                          .audit = (struct audit *)(void *)&log};
    struct err err = {0};

    (void)state;
    folder_make("dimse-serve", dir);
    catalog_fake_init();
    if (dimse_serve_start(&options, &archive, &err) < 0)
        fail_msg("%s", err.text);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    dimse_serve_stop(&archive);
    catalog_fake_fini();
    folder_remove(dir);
    return 0;
}

__attribute__((unused)) static const char *
port_text(void)
{
    static char text[8];

    snprintf(text, sizeof text, "%u", dimse_serve_port(archive));
    return text;
}

__attribute__((unused)) static int
connect_as(const char *calling, bool with_store, struct dimse_assoc **out, struct err *err)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE};
    struct dimse_proposal proposals[] = {{DCM_UID_STUDY_ROOT_FIND, plain, 1, false},
                                         {DCM_UID_STUDY_ROOT_MOVE, plain, 1, false},
                                         {DCM_UID_STUDY_ROOT_GET, plain, 1, false},
                                         {DCM_UID_CT_IMAGE, plain, 1, false}};
    struct dimse_connect_options options = {.host = "127.0.0.1",
                                            .port = dimse_serve_port(archive),
                                            .calling = calling,
                                            .called = "ARCHIVE"};

    return dimse_connect(&options, proposals, with_store ? 4 : 3, out, err);
}

__attribute__((unused)) static size_t
files_in(const char *path)
{
    DIR *d = opendir(path);
    size_t n = 0;

    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Ask with an identifier of texts; keys end with tag 0. */
struct ask {
    uint32_t tag;
    const char *text;
};

__attribute__((unused)) static void
send_request(struct dimse_assoc *assoc, uint8_t context, uint16_t field, const char *destination,
             const struct ask *keys)
{
    static const char *const classes[] = {DCM_UID_STUDY_ROOT_FIND, DCM_UID_STUDY_ROOT_MOVE,
                                          DCM_UID_STUDY_ROOT_GET};
    struct dimse_command rq = {
        .context = context, .field = field, .message_id = 7, .has_data = true};
    struct dcm_writer w;
    struct err err = {0};
    struct buf b;

    snprintf(rq.sop_class, sizeof rq.sop_class, "%s", classes[context / 2]);
    snprintf(rq.move_destination, sizeof rq.move_destination, "%s", destination);
    buf_init(&b, 65536);
    dcm_write_init(&w, &b, DCM_EXPLICIT_LE);
    for (; keys->tag != 0; keys++)
        dcm_write_text(&w, keys->tag, NULL, keys->text);
    assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
    assert_int_equal(dimse_send_data(assoc, context, b.bytes, b.n, true, &err), 0);
    buf_fini(&b);
}

/* The final answer; pendings are counted, data sets passed over. */
__attribute__((unused)) static struct dimse_command
last_answer(struct dimse_assoc *assoc, unsigned *out_pending)
{
    struct dimse_command rsp;
    struct err err = {0};

    *out_pending = 0;
    for (;;) {
        if (dimse_next_command(assoc, &rsp, &err) < 0)
            fail_msg("%s", err.text);
        if (rsp.has_data)
            assert_int_equal(dimse_skip_data(assoc, &err), 0);
        if ((rsp.status & 0xFF00) != 0xFF00)
            return rsp;
        (*out_pending)++;
    }
}

#endif
