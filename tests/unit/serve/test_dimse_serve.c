/* test_dimse_serve.c - the archive's DIMSE door over a catalog of the test's own, asked by DCMTK's
 * findscu, getscu and movescu, and by ourselves where stock programs behave too well.
 * The catalog's functions are defined here, so that what it says is the test's to choose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/base/durable.h"
#include "proto/base/thread.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/walk.h"
#include "proto/dicom/write.h"
#include "storage/serve/dimse_core.h"
#include "storage/serve/dimse_identifier.h"
#include "storage/serve/dimse_serve.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"

#define STUDY "1.2.826.0.1.1"
#define SERIES_A "1.2.826.0.1.1.1"
#define SERIES_B "1.2.826.0.1.1.2"

/* ---- the catalog ---- */

struct kept {
    const char *series, *sop_instance, *syntax;
    bool is_on_its_way;
};

static struct catalog {
    struct kept rows[8];
    size_t n;
    bool is_away;
    unsigned rights;
    uint16_t destination_port;
    enum err_kind store_fails;
    uint64_t stored_bytes;
    unsigned stores, ended;
    unsigned audited[32]; /* by event */
    bool audit_fails;
    char last_name[200]; /* what was asked */
    struct gate gate;
} catalog;

int
keep_ae_find(struct keep *k, const char *ae, const char *host, struct keep_ae *out, struct err *err)
{
    (void)k;
    if (catalog.is_away)
        return err_set(err, ERR_RETRY, "catalog is away");
    if (strncmp(ae, "VIEWER", 6) != 0 || strcmp(host, "127.0.0.1") != 0)
        return err_set(err, ERR_NOT_FOUND, "no such AE title");
    *out = (struct keep_ae){.tenant = "clinic-a", .rights = catalog.rights};
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
    *out = (struct keep_ae){.ae = "DEST", .host = "127.0.0.1", .port = catalog.destination_port};
    return 0;
}

int
keep_check(struct keep *k, struct err *err)
{
    (void)k;
    return catalog.is_away ? err_set(err, ERR_RETRY, "catalog is away") : 0;
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
    snprintf(catalog.last_name, sizeof catalog.last_name, "%s",
             q->patient_name ? q->patient_name : "");
    snprintf(facts->patient_name, sizeof facts->patient_name, "Zhang^San=张^三");
    snprintf(facts->patient_id, sizeof facts->patient_id, "P1");
    snprintf(facts->study_uid, sizeof facts->study_uid, STUDY);
    snprintf(facts->study_date, sizeof facts->study_date, "20260102");
    row.study_instances = catalog.n;
    for (size_t i = 0; i < catalog.n && go_on == 0; i++) {
        if (q->level == KEEP_SERIES && i > 0 &&
            strcmp(catalog.rows[i].series, catalog.rows[i - 1].series) == 0)
            continue;
        snprintf(facts->series_uid, sizeof facts->series_uid, "%s", catalog.rows[i].series);
        snprintf(facts->sop_instance, sizeof facts->sop_instance, "%s",
                 catalog.rows[i].sop_instance);
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
fill_place(const struct kept *row, struct keep_place *place)
{
    snprintf(place->study, sizeof place->study, STUDY);
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
    for (size_t i = 0; i < catalog.n; i++) {
        struct keep_place place = {.offset = 0};
        if (strcmp(study, STUDY) != 0 ||
            (series != NULL && strcmp(series, catalog.rows[i].series) != 0) ||
            (sop_instance != NULL && strcmp(sop_instance, catalog.rows[i].sop_instance) != 0))
            continue;
        awaited += catalog.rows[i].is_on_its_way;
        if (catalog.rows[i].is_on_its_way)
            continue;
        fill_place(&catalog.rows[i], &place);
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
    for (size_t i = 0; i < catalog.n; i++) {
        struct keep_preview p = {.size = 0};
        if (!catalog.rows[i].is_on_its_way || strcmp(study, STUDY) != 0 ||
            (sop_instance != NULL && strcmp(sop_instance, catalog.rows[i].sop_instance) != 0))
            continue;
        snprintf(p.study, sizeof p.study, STUDY);
        snprintf(p.series, sizeof p.series, "%s", catalog.rows[i].series);
        snprintf(p.sop_class, sizeof p.sop_class, DCM_UID_CT_IMAGE);
        snprintf(p.sop_instance, sizeof p.sop_instance, "%s", catalog.rows[i].sop_instance);
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
    dcm_write_text(&w, 0x0020000D, NULL, STUDY);
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
keep_store_direct(struct keep *k, const struct keep_incoming *in, struct keep_stored *out,
                  struct err *err)
{
    (void)k;
    (void)out;
    assert_string_equal(in->tenant, "clinic-a");
    assert_string_equal(in->way, "C-STORE");
    if (catalog.store_fails != ERR_NONE)
        return err_set(err, catalog.store_fails, "as the test says");
    gate_lock(&catalog.gate);
    catalog.stores++;
    catalog.stored_bytes = in->size;
    gate_unlock(&catalog.gate);
    return 0;
}

void
keep_association_end(struct keep *k, uint64_t association)
{
    (void)k;
    assert_int_not_equal(association, 0);
    gate_lock(&catalog.gate);
    catalog.ended++;
    gate_wake(&catalog.gate);
    gate_unlock(&catalog.gate);
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
    make_file(SERIES_A, "1.2.826.0.1.1.1.9", to, &file);
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
    if (catalog.audit_fails)
        return err_set(err, ERR_RETRY, "audit log takes no entry");
    catalog.audited[event]++;
    return 0;
}

/* ---- the test's own ---- */

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
    memset(&catalog, 0, sizeof catalog);
    gate_init(&catalog.gate);
    catalog.rights = RIGHT_QUERY | RIGHT_RETRIEVE | RIGHT_STORE;
    catalog.n = 3;
    catalog.rows[0] = (struct kept){SERIES_A, "1.2.826.0.1.1.1.1", DCM_UID_EXPLICIT_LE, false};
    catalog.rows[1] = (struct kept){SERIES_A, "1.2.826.0.1.1.1.2", DCM_UID_EXPLICIT_LE, false};
    catalog.rows[2] = (struct kept){SERIES_B, "1.2.826.0.1.1.2.1", DCM_UID_EXPLICIT_LE, false};
    if (dimse_serve_start(&options, &archive, &err) < 0)
        fail_msg("%s", err.text);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    dimse_serve_stop(&archive);
    gate_fini(&catalog.gate);
    folder_remove(dir);
    return 0;
}

static const char *
port_text(void)
{
    static char text[8];

    snprintf(text, sizeof text, "%u", dimse_serve_port(archive));
    return text;
}

/* A DCMTK query or retrieval with keys; what it said. */
static int
run(const char *program, const char *model, const char *const *more, char *out, size_t out_size)
{
    const char *argv[32] = {program, "-v", "-aet", "VIEWER", "-aec", "ARCHIVE", model};
    size_t n = 7;

    for (; *more != NULL && n < 28; more++)
        argv[n++] = *more;
    argv[n++] = "127.0.0.1";
    argv[n++] = port_text();
    return program_run(argv, NULL, out, out_size);
}

static size_t
count_of(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
        n++;
    return n;
}

static size_t
files_in(const char *path)
{
    DIR *d = opendir(path);
    size_t n = 0;

    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void
findscu_finds_at_each_level_in_utf8(void **state)
{
    const char *const study[] = {
        "-k", "QueryRetrieveLevel=STUDY",      "-k", "PatientName=zhang*", "-k", "StudyInstanceUID",
        "-k", "NumberOfStudyRelatedInstances", "-k", "StudyDate",          NULL};
    const char *const series[] = {
        "-k", "QueryRetrieveLevel=SERIES", "-k", "StudyInstanceUID=" STUDY,
        "-k", "SeriesInstanceUID",         "-k", "Modality",
        NULL};
    const char *const image[] = {"-k", "QueryRetrieveLevel=IMAGE",
                                 "-k", "StudyInstanceUID=" STUDY,
                                 "-k", "SeriesInstanceUID=" SERIES_A,
                                 "-k", "SOPInstanceUID",
                                 "-k", "InstanceNumber",
                                 "-k", "Rows",
                                 NULL};
    static char out[65536];

    (void)state;
    if (!program_is_there("findscu"))
        skip();
    assert_int_equal(run("findscu", "-S", study, out, sizeof out), 0);
    assert_int_equal(count_of(out, "Find Response:"), 1);
    assert_non_null(strstr(out, "ISO_IR 192"));
    assert_non_null(strstr(out, "张^三"));
    assert_non_null(strstr(out, "[" STUDY));
    assert_non_null(strstr(out, "20260102"));
    assert_non_null(strstr(out, "[ARCHIVE"));
    assert_string_equal(catalog.last_name, "zhang*");
    assert_int_equal(run("findscu", "-S", series, out, sizeof out), 0);
    assert_int_equal(count_of(out, "Find Response:"), 2);
    assert_non_null(strstr(out, SERIES_B));
    assert_int_equal(run("findscu", "-P", image, out, sizeof out), 0);
    assert_int_equal(count_of(out, "Find Response:"), 3);
    assert_non_null(strstr(out, "US 512"));
}

static void
names_asked_in_gb18030_are_decoded(void **state)
{
    const char *const keys[] = {
        "-k", "QueryRetrieveLevel=STUDY", "-k", "SpecificCharacterSet=GB18030",
        "-k", "PatientName=\xd5\xc5*",    NULL};
    static char out[65536];

    (void)state;
    if (!program_is_there("findscu"))
        skip();
    assert_int_equal(run("findscu", "-S", keys, out, sizeof out), 0);
    assert_string_equal(catalog.last_name, "张*");
}

static void
getscu_gets_the_study_and_only_the_series_asked_for(void **state)
{
    const char *const study[] = {
        "-od", dir, "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=" STUDY, NULL};
    const char *const series[] = {"-od", dir,
                                  "-k",  "QueryRetrieveLevel=SERIES",
                                  "-k",  "StudyInstanceUID=" STUDY,
                                  "-k",  "SeriesInstanceUID=" SERIES_B,
                                  NULL};
    static char out[65536];

    (void)state;
    if (!program_is_there("getscu"))
        skip();
    assert_int_equal(run("getscu", "-S", series, out, sizeof out), 0);
    assert_int_equal(files_in(dir), 1);
    int rc = run("getscu", "-S", study, out, sizeof out);
    if (rc != 0)
        print_message("%s", out);
    assert_int_equal(rc, 0);
    assert_int_equal(files_in(dir), 3);
}

static void
movescu_moves_to_an_enrolled_destination_only(void **state)
{
    const char *const keys[] = {"-aem", "DEST",
                                "+P",   "0",
                                "-k",   "QueryRetrieveLevel=STUDY",
                                "-k",   "StudyInstanceUID=" STUDY,
                                NULL};
    const char *const nowhere[] = {
        "-aem", "NOBODY", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=" STUDY, NULL};
    static char out[65536];

    (void)state;
    (void)keys;
    if (!program_is_there("movescu"))
        skip();
    (void)run("movescu", "-S", nowhere, out, sizeof out);
    assert_non_null(strstr(out, "MoveDestinationUnknown"));
}

/* ---- asked by ourselves ---- */

static int
connect_as(const char *calling, bool with_store, struct dimse_assoc **out, struct err *err)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE};
    struct dimse_proposal proposals[] = {{DCM_UID_STUDY_ROOT_FIND, plain, 1},
                                         {DCM_UID_STUDY_ROOT_MOVE, plain, 1},
                                         {DCM_UID_STUDY_ROOT_GET, plain, 1},
                                         {DCM_UID_CT_IMAGE, plain, 1}};
    struct dimse_connect_options options = {.host = "127.0.0.1",
                                            .port = dimse_serve_port(archive),
                                            .calling = calling,
                                            .called = "ARCHIVE"};

    return dimse_connect(&options, proposals, with_store ? 4 : 3, out, err);
}

/* Ask with an identifier of texts; keys end with tag 0. */
struct ask {
    uint32_t tag;
    const char *text;
};

static void
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
static struct dimse_command
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

static const struct ask whole_study[] = {
    {TAG_RETRIEVE_LEVEL, "STUDY"}, {TAG_STUDY_UID, STUDY}, {0, NULL}};

/* A receiver for C-MOVE, as a listener of ours. */
struct receiver {
    struct dimse_listener *listener;
    unsigned got;
    uint16_t answer;
    unsigned breaks_after; /* 0 = never */
    char originator[17];
    struct gate gate;
};

static enum dimse_admission
receive_admit(const struct dimse_peer *peer, void *user)
{
    (void)user;
    assert_string_equal(peer->calling, "ARCHIVE");
    return DIMSE_ADMITTED;
}

static enum dimse_offer
receive_offers(const char *abstract_syntax, bool peer_is_scp, void *user)
{
    (void)abstract_syntax;
    (void)peer_is_scp;
    (void)user;
    return DIMSE_PLAIN_SYNTAX;
}

static void
receive_serve(struct dimse_assoc *assoc, void *user)
{
    struct receiver *r = user;
    struct dimse_command rq, rsp;
    struct err err = {0};

    while (dimse_next_command(assoc, &rq, &err) == 0 && rq.field == DIMSE_C_STORE_RQ) {
        if (dimse_skip_data(assoc, &err) < 0)
            return;
        gate_lock(&r->gate);
        r->got++;
        bool breaks = r->breaks_after != 0 && r->got >= r->breaks_after;
        memcpy(r->originator, rq.move_originator, sizeof r->originator);
        gate_unlock(&r->gate);
        rsp = dimse_answer(&rq, r->answer);
        if (breaks || dimse_send_command(assoc, &rsp, &err) < 0)
            return;
    }
}

static void
start_receiver(struct receiver *r)
{
    struct dimse_listener_options options = {.address = "127.0.0.1",
                                             .admit = receive_admit,
                                             .offers = receive_offers,
                                             .serve = receive_serve,
                                             .user = r};
    struct err err = {0};

    gate_init(&r->gate);
    assert_int_equal(dimse_listen(&options, &r->listener, &err), 0);
    catalog.destination_port = dimse_listener_port(r->listener);
}

static void
stop_receiver(struct receiver *r)
{
    dimse_listener_free(&r->listener);
    gate_fini(&r->gate);
}

static void
move_counts_are_right_whatever_the_receiver_does(void **state)
{
    static const struct {
        const char *name;
        uint16_t answer;
        unsigned breaks_after;
        uint16_t status, completed, failed, warning;
    } rows[] = {
        {"takes all", 0x0000, 0, 0x0000, 3, 0, 0},
        {"warns", 0xB000, 0, 0xB000, 0, 0, 3},
        {"refuses all", 0xA700, 0, 0xA702, 0, 3, 0},
        {"breaks off after the first", 0x0000, 2, 0xB000, 1, 2, 0},
    };
    struct err err = {0};
    unsigned pending;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct receiver r = {.answer = rows[i].answer, .breaks_after = rows[i].breaks_after};
        struct dimse_assoc *assoc = NULL;
        print_message("%s\n", rows[i].name);
        start_receiver(&r);
        assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
        send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
        struct dimse_command rsp = last_answer(assoc, &pending);
        assert_int_equal(rsp.status, rows[i].status);
        assert_true(rsp.has_counts);
        assert_int_equal(rsp.completed, rows[i].completed);
        assert_int_equal(rsp.failed, rows[i].failed);
        assert_int_equal(rsp.warning, rows[i].warning);
        assert_int_equal(rsp.has_data, rows[i].failed > 0);
        assert_string_equal(r.originator, "VIEWER");
        assert_int_equal(dimse_release(&assoc, &err), 0);
        stop_receiver(&r);
    }
}

static void
destination_that_does_not_answer_fails_all(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    catalog.destination_port = 9;
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    struct dimse_command rsp = last_answer(assoc, &pending);
    assert_int_equal(rsp.status, DIMSE_CANNOT_SEND);
    assert_int_equal(rsp.failed, 3);
    assert_int_equal(pending, 0);
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
what_is_on_its_way_never_leaves_and_counts_as_failed(void **state)
{
    struct receiver r = {.answer = 0};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    catalog.rows[2].is_on_its_way = true;
    start_receiver(&r);
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    struct dimse_command rsp = last_answer(assoc, &pending);
    assert_int_equal(rsp.status, DIMSE_SOME_FAILED);
    assert_int_equal(rsp.completed, 2);
    assert_int_equal(rsp.failed, 1);
    assert_int_equal(r.got, 2);
    catalog.rows[0].is_on_its_way = catalog.rows[1].is_on_its_way = true;
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    rsp = last_answer(assoc, &pending);
    assert_int_equal(rsp.status, DIMSE_CANNOT_SEND);
    assert_int_equal(rsp.failed, 3);
    assert_int_equal(r.got, 2);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    stop_receiver(&r);
}

static void
compressed_instance_is_decoded_for_a_receiver_that_wants_plain(void **state)
{
    struct receiver r = {.answer = 0};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    catalog.n = 1;
    catalog.rows[0].syntax = DCM_UID_J2K_LOSSLESS;
    start_receiver(&r); /* takes plain syntaxes only */
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    struct dimse_command rsp = last_answer(assoc, &pending);
    assert_int_equal(rsp.status, DIMSE_SUCCESS);
    assert_int_equal(rsp.completed, 1);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    stop_receiver(&r);
}

static void
get_without_a_context_for_the_class_fails_each(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    send_request(assoc, 5, DIMSE_C_GET_RQ, "", whole_study);
    struct dimse_command rsp = last_answer(assoc, &pending);
    assert_int_equal(rsp.status, DIMSE_CANNOT_SEND);
    assert_int_equal(rsp.failed, 3);
    assert_int_equal(pending, 2);
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
nothing_leaves_before_the_audit_log_has_it(void **state)
{
    struct receiver r = {.answer = 0};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    start_receiver(&r);
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    catalog.audit_fails = true;
    send_request(assoc, 1, DIMSE_C_FIND_RQ, "", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, 0xC000);
    assert_int_equal(pending, 0);
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, DIMSE_CANNOT_COUNT);
    assert_int_equal(r.got, 0);
    catalog.audit_fails = false;
    send_request(assoc, 1, DIMSE_C_FIND_RQ, "", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, 0);
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, 0);
    assert_int_equal(catalog.audited[AUDIT_QUERIED], 1);
    assert_int_equal(catalog.audited[AUDIT_RETRIEVED], 1);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    stop_receiver(&r);
}

static void
cancel_ends_a_search_and_a_move(void **state)
{
    static const struct ask images[] = {
        {TAG_SOP_INSTANCE, ""}, {TAG_RETRIEVE_LEVEL, "IMAGE"}, {TAG_STUDY_UID, STUDY}, {0, NULL}};
    struct dimse_command cancel = {.context = 1, .field = DIMSE_C_CANCEL_RQ, .responded_id = 7};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    send_request(assoc, 1, DIMSE_C_FIND_RQ, "", images);
    assert_int_equal(dimse_send_command(assoc, &cancel, &err), 0);
    struct dimse_command rsp = last_answer(assoc, &pending);
    assert_true(rsp.status == DIMSE_CANCELLED || (rsp.status == 0 && pending == 3));
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
requests_that_are_not_offered_are_refused(void **state)
{
    static const struct {
        const char *name;
        uint8_t context;
        uint16_t field;
        struct ask keys[4];
        uint16_t wanted;
    } rows[] = {
        {"patient level", 1, DIMSE_C_FIND_RQ, {{TAG_RETRIEVE_LEVEL, "PATIENT"}}, 0xA900},
        {"no level", 1, DIMSE_C_FIND_RQ, {{TAG_STUDY_UID, STUDY}}, 0xA900},
        {"a date that is none",
         1,
         DIMSE_C_FIND_RQ,
         {{0x00080020, "yesterday"}, {TAG_RETRIEVE_LEVEL, "STUDY"}},
         0xA900},
        {"move without a study", 3, DIMSE_C_MOVE_RQ, {{TAG_RETRIEVE_LEVEL, "STUDY"}}, 0xA900},
        {"move a series of no series",
         3,
         DIMSE_C_MOVE_RQ,
         {{TAG_RETRIEVE_LEVEL, "SERIES"}, {TAG_STUDY_UID, STUDY}},
         0xA900},
        {"nothing of that name",
         3,
         DIMSE_C_MOVE_RQ,
         {{TAG_RETRIEVE_LEVEL, "STUDY"}, {TAG_STUDY_UID, "1.2.3"}},
         0x0000},
    };
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    catalog.destination_port = 9;
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].name);
        send_request(assoc, rows[i].context, rows[i].field, "DEST", rows[i].keys);
        assert_int_equal(last_answer(assoc, &pending).status, rows[i].wanted);
    }
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
only_the_enrolled_come_in_and_only_with_their_rights(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    assert_int_equal(connect_as("STRANGER", false, &assoc, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    catalog.rights = RIGHT_STORE; /* withdrawn while the association is open */
    send_request(assoc, 1, DIMSE_C_FIND_RQ, "", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, DIMSE_NOT_AUTHORIZED);
    send_request(assoc, 5, DIMSE_C_GET_RQ, "", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, DIMSE_NOT_AUTHORIZED);
    catalog.is_away = true;
    send_request(assoc, 5, DIMSE_C_GET_RQ, "", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, 0xC000);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY); /* put off, not turned away */
}

static void
store_is_answered_as_the_archive_says(void **state)
{
    static const struct {
        enum err_kind fails;
        uint16_t wanted;
    } rows[] = {{ERR_NONE, 0x0000}, {ERR_FULL, 0xA700}, {ERR_RETRY, 0xC000}, {ERR_REJECT, 0xA900}};
    struct dimse_assoc *assoc = NULL;
    struct dimse_command rq = {.context = 7,
                               .field = DIMSE_C_STORE_RQ,
                               .message_id = 1,
                               .has_data = true,
                               .sop_class = DCM_UID_CT_IMAGE,
                               .sop_instance = "1.2.3.4"};
    struct dimse_command rsp;
    struct err err = {0};

    (void)state;
    assert_int_equal(connect_as("VIEWER", true, &assoc, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        catalog.store_fails = rows[i].fails;
        assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
        assert_int_equal(dimse_send_data(assoc, 7, "\x08\0\x05\0CS\0\0", 8, true, &err), 0);
        assert_int_equal(dimse_next_command(assoc, &rsp, &err), 0);
        assert_int_equal(rsp.status, rows[i].wanted);
    }
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_int_equal(catalog.stores, 1);
    assert_in_range(catalog.stored_bytes, 140, 1000);
    assert_int_equal(files_in(dir), 0);
    gate_lock(&catalog.gate);
    while (catalog.ended == 0)
        gate_wait(&catalog.gate);
    gate_unlock(&catalog.gate);
}

static void
identifiers_are_read_or_refused(void **state)
{
    uint8_t good[] = {8,   0,    0x52, 0,    6, 0, 0, 0, 'S', 'T', 'U', 'D', 'Y',
                      ' ', 0x20, 0,    0x0D, 0, 4, 0, 0, 0,   '1', '.', '2', 0};
    struct dimse_identifier id;
    struct err err = {0};
    char(*uids)[65];

    (void)state;
    assert_int_equal(dimse_identifier_read(good, sizeof good, DCM_IMPLICIT_LE, &id, &err), 0);
    assert_int_equal(id.level, QIDO_STUDY);
    assert_string_equal(dimse_identifier_value(&id, TAG_STUDY_UID), "1.2");
    dimse_identifier_fini(&id);
    for (size_t cut = 1; cut < sizeof good; cut++)
        if (dimse_identifier_read(good, cut, DCM_IMPLICIT_LE, &id, &err) == 0)
            dimse_identifier_fini(&id);
    assert_int_equal(dimse_uid_list("1.2\\1.3", &uids), 2);
    assert_string_equal(uids[1], "1.3");
    free(uids);
    assert_int_equal(dimse_uid_list("", &uids), 0);
    assert_int_equal(dimse_uid_list("1.2\\", &uids), 0);
    assert_int_equal(dimse_uid_list("1.2\\*", &uids), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(findscu_finds_at_each_level_in_utf8, begin, end),
        cmocka_unit_test_setup_teardown(names_asked_in_gb18030_are_decoded, begin, end),
        cmocka_unit_test_setup_teardown(getscu_gets_the_study_and_only_the_series_asked_for, begin,
                                        end),
        cmocka_unit_test_setup_teardown(movescu_moves_to_an_enrolled_destination_only, begin, end),
        cmocka_unit_test_setup_teardown(move_counts_are_right_whatever_the_receiver_does, begin,
                                        end),
        cmocka_unit_test_setup_teardown(destination_that_does_not_answer_fails_all, begin, end),
        cmocka_unit_test_setup_teardown(what_is_on_its_way_never_leaves_and_counts_as_failed, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            compressed_instance_is_decoded_for_a_receiver_that_wants_plain, begin, end),
        cmocka_unit_test_setup_teardown(get_without_a_context_for_the_class_fails_each, begin, end),
        cmocka_unit_test_setup_teardown(nothing_leaves_before_the_audit_log_has_it, begin, end),
        cmocka_unit_test_setup_teardown(cancel_ends_a_search_and_a_move, begin, end),
        cmocka_unit_test_setup_teardown(requests_that_are_not_offered_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(only_the_enrolled_come_in_and_only_with_their_rights, begin,
                                        end),
        cmocka_unit_test_setup_teardown(store_is_answered_as_the_archive_says, begin, end),
        cmocka_unit_test(identifiers_are_read_or_refused),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
