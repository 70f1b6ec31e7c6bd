/* tool_archive - an archive in one process, for judging what it serves: keep, codec workers, audit
 * and the DICOMweb port on loopback, filled by commands on standard input.
 *     tool_archive CONNINFO FOLDER
 *     > direct TENANT FILE            as STOW-RS or C-STORE would bring it
 *     > gateway TENANT FILE [LAYERS]  coded, offered and sent over the link's path; only so many
 * layers > rest                          what was kept back by the last "gateway ... LAYERS"
 * commands > close TENANT STUDY            a manifest of all a gateway brought of the study > work
 * pack and seal what is due Each is answered by a line of JSON; the first line of all tells
 * addresses and tokens. */
#include "proto/base/durable.h"
#include "proto/base/jsonw.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/codec/codec.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/syntax.h"
#include "proto/trust/audit.h"
#include "storage/keep/keep.h"
#include "storage/serve/serve.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OBJECTS_MOST = 4096 };

struct sent {
    char tenant[KEEP_CODE_SIZE];
    struct link_offer_object object;
    int fd;
    bool is_whole;
};

static char *folders[8];
static size_t folder_count;
static struct keep *keep;
static struct codec_pool *pool;
static struct sent sents[OBJECTS_MOST];
static size_t sent_count;

static void
answer(const char *state, const char *words)
{
    struct buf b;
    struct jsonw w;

    buf_init(&b, 1 << 16);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "state", state);
    jsonw_text(&w, "words", words);
    jsonw_end(&w);
    puts(buf_text(&b));
    fflush(stdout);
    buf_fini(&b);
}

static int
store_direct(const char *tenant, const char *path, struct err *err)
{
    static const char *const outcomes[] = {"stored", "duplicate", "quarantined"};
    struct keep_incoming in = {.tenant = tenant, .way = "STOW-RS", .peer = "127.0.0.1:1"};
    struct keep_stored out;
    struct stat st;
    int rc;

    in.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (in.fd < 0 || fstat(in.fd, &st) < 0)
        return err_sys(err, ERR_NOT_FOUND, "open");
    in.size = (uint64_t)st.st_size;
    rc = keep_store_direct(keep, &in, &out, err);
    close(in.fd);
    if (rc == 0)
        answer(outcomes[out.outcome], out.sop_instance);
    return rc;
}

/* A gateway's work: inspect, code, and describe the file to be archived. */
static int
code_file(const char *path, struct sent *s, struct err *err)
{
    struct codec_source source = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct codec_result result = {.coded_fd = -1};
    struct dcm_digests digests;
    struct dcm_facts facts;
    struct buf layout;
    struct stat st;

    if (source.fd < 0 || fstat(source.fd, &st) < 0)
        return err_sys(err, ERR_NOT_FOUND, "open");
    source.size = (uint64_t)st.st_size;
    if (codec_inspect(pool, &source, &facts, &digests, err) < 0 ||
        codec_encode(pool, &source, NULL, &result, err) < 0)
        return -1;
    snprintf(s->object.sop_instance, LINK_UID_SIZE, "%s", facts.sop_instance);
    snprintf(s->object.sop_class, LINK_UID_SIZE, "%s", facts.sop_class);
    snprintf(s->object.study, LINK_UID_SIZE, "%s", facts.study_uid);
    snprintf(s->object.series, LINK_UID_SIZE, "%s", facts.series_uid);
    snprintf(s->object.received_syntax, LINK_UID_SIZE, "%s", facts.transfer_syntax);
    snprintf(s->object.transfer_syntax, LINK_UID_SIZE, "%s",
             result.coded_fd >= 0 ? DCM_UID_J2K_LOSSLESS : facts.transfer_syntax);
    memcpy(s->object.pixels, digests.pixels, 32);
    memcpy(s->object.dataset, digests.dataset, 32);
    memcpy(s->object.received, digests.file, 32);
    s->fd = result.coded_fd >= 0 ? result.coded_fd : source.fd;
    if (s->fd != source.fd)
        close(source.fd);
    s->object.size = result.coded_fd >= 0 ? result.coded_size : source.size;
    if (digest_file(s->fd, 0, s->object.size, s->object.object, err) < 0)
        return -1;
    if (result.coded_fd >= 0) {
        s->object.recipe = result.recipe;
        s->object.recipe_n = result.recipe_n;
    }
    buf_init(&layout, 16 << 20);
    layout_write(result.layout, &layout);
    s->object.layout = buf_take(&layout, &s->object.layout_n);
    layout_free(&result.layout);
    return 0;
}

static int
send_ranges(struct sent *s, const struct range *ranges, size_t n, bool is_told, struct err *err)
{
    struct keep_sender sender = {s->tenant, "clinic-gateway", "127.0.0.1:1"};
    struct keep_bundle *bundle = NULL;
    struct link_answer states = {.count = 0};
    uint8_t *bytes = mem_new(LIMIT_BUNDLE_PIECE_BYTES);
    int rc = keep_bundle_begin(keep, &sender, &bundle, err);

    for (size_t i = 0; rc == 0 && i < n; i++)
        for (uint64_t at = ranges[i].from; rc == 0 && at < ranges[i].to;) {
            uint64_t left = ranges[i].to - at;
            struct link_piece piece = {.offset = at, .bytes = bytes};

            piece.n = left < LIMIT_BUNDLE_PIECE_BYTES ? left : LIMIT_BUNDLE_PIECE_BYTES;
            memcpy(piece.object, s->object.object, 32);
            rc = durable_read_at(s->fd, bytes, piece.n, at, err);
            if (rc == 0)
                rc = keep_bundle_piece(bundle, &piece, err);
            at += piece.n;
        }
    if (rc == 0)
        rc = keep_bundle_end(bundle, &states, err);
    if (rc == 0 && is_told)
        answer(states.count > 0 ? link_state_name(states.objects[0].state) : "none",
               s->object.sop_instance);
    link_answer_free(&states);
    keep_bundle_free(&bundle);
    free(bytes);
    return rc;
}

static int
send_gateway(const char *tenant, const char *path, const char *layers, struct err *err)
{
    struct keep_sender sender = {tenant, "clinic-gateway", "127.0.0.1:1"};
    struct sent *s = &sents[sent_count];
    struct link_offer offer = {.objects = &s->object, .count = 1};
    struct link_answer states;
    struct layout *layout = NULL;
    struct range *ranges = NULL;
    size_t n = 0;
    int rc;

    if (sent_count == OBJECTS_MOST)
        return err_set(err, ERR_FULL, "too many objects");
    snprintf(s->tenant, sizeof s->tenant, "%s", tenant);
    if (code_file(path, s, err) < 0 || keep_offer(keep, &sender, &offer, &states, err) < 0)
        return -1;
    link_answer_free(&states);
    sent_count++;
    if (layout_read(s->object.layout, s->object.layout_n, &layout, err) < 0)
        return -1;
    if (layers != NULL && layout->layers > 0)
        layout_ranges(layout, (uint8_t)strtoul(layers, NULL, 10), &ranges, &n);
    else {
        ranges = mem_new(sizeof *ranges);
        ranges[0] = (struct range){0, s->object.size};
        n = 1;
    }
    s->is_whole = layers == NULL || layout->layers == 0;
    rc = send_ranges(s, ranges, n, true, err);
    free(ranges);
    layout_free(&layout);
    return rc;
}

static int
send_rest(struct err *err)
{
    size_t count = 0;
    char words[32];

    for (size_t i = 0; i < sent_count; i++) {
        struct range all = {0, sents[i].object.size};

        if (sents[i].is_whole)
            continue;
        if (send_ranges(&sents[i], &all, 1, false, err) < 0)
            return -1;
        sents[i].is_whole = true;
        count++;
    }
    snprintf(words, sizeof words, "%zu", count);
    answer("done", words);
    return 0;
}

static int
close_study(const char *tenant, const char *study, struct err *err)
{
    struct keep_sender sender = {tenant, "clinic-gateway", "127.0.0.1:1"};
    struct link_manifest m = {.revision = 1, .closed_at_us = clock_wall_us()};
    int rc;

    m.instances = mem_new(sent_count * sizeof *m.instances + 1);
    snprintf(m.study, sizeof m.study, "%s", study);
    for (size_t i = 0; i < sent_count; i++) {
        struct link_manifest_instance *one = &m.instances[m.count];

        if (strcmp(sents[i].tenant, tenant) != 0 || strcmp(sents[i].object.study, study) != 0)
            continue;
        memcpy(one->sop_instance, sents[i].object.sop_instance, LINK_UID_SIZE);
        memcpy(one->object, sents[i].object.object, 32);
        memcpy(one->pixels, sents[i].object.pixels, 32);
        memcpy(one->dataset, sents[i].object.dataset, 32);
        m.count++;
    }
    rc = keep_manifest(keep, &sender, &m, err);
    free(m.instances);
    if (rc == 0)
        answer("closed", study);
    return rc;
}

static int
obey(char *line, struct err *err)
{
    char *words[4] = {NULL}, *save = NULL;
    char number[32];
    int sealed = 0;

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        words[i] = strtok_r(i == 0 ? line : NULL, " \n", &save);
    if (words[0] == NULL)
        return err_set(err, ERR_REJECT, "an empty line");
    if (strcmp(words[0], "direct") == 0 && words[2] != NULL)
        return store_direct(words[1], words[2], err);
    if (strcmp(words[0], "gateway") == 0 && words[2] != NULL)
        return send_gateway(words[1], words[2], words[3], err);
    if (strcmp(words[0], "rest") == 0)
        return send_rest(err);
    if (strcmp(words[0], "close") == 0 && words[2] != NULL)
        return close_study(words[1], words[2], err);
    if (strcmp(words[0], "work") != 0)
        return err_set(err, ERR_REJECT, "no such command");
    if (keep_work(keep, &sealed, err) < 0)
        return -1;
    snprintf(number, sizeof number, "%d", sealed);
    answer("done", number);
    return 0;
}

static char *
folder(const char *base, const char *name, struct err *err)
{
    char *path = mem_printf("%s/%s", base, name);

    if (durable_mkdir(path, err) < 0) {
        fprintf(stderr, "tool_archive: %s\n", err->text);
        exit(1);
    }
    folders[folder_count++] = path;
    return path;
}

/* Tenants A and B, each with a token for all; A also with one that may neither retrieve nor
 * preview, and one for every tenant. */
static int
make_tokens(struct jsonw *w, struct err *err)
{
    static const struct {
        const char *name, *tenant;
        unsigned rights;
    } rows[] = {
        {"a", "A", RIGHT_QUERY | RIGHT_RETRIEVE | RIGHT_PREVIEW | RIGHT_STORE},
        {"b", "B", RIGHT_QUERY | RIGHT_RETRIEVE | RIGHT_PREVIEW | RIGHT_STORE},
        {"query", "A", RIGHT_QUERY},
        {"retrieve", "A", RIGHT_RETRIEVE},
        {"all", "A", RIGHT_QUERY | RIGHT_RETRIEVE | RIGHT_PREVIEW | RIGHT_ALL_TENANTS},
    };

    if (keep_tenant_add(keep, "A", "clinic A", err) < 0 ||
        keep_tenant_add(keep, "B", "clinic B", err) < 0)
        return -1;
    jsonw_object(w, "tokens");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct keep_token token = {.rights = rows[i].rights};
        char text[TOKEN_TEXT_BYTES];

        snprintf(token.tenant, sizeof token.tenant, "%s", rows[i].tenant);
        snprintf(token.name, sizeof token.name, "%s", rows[i].name);
        if (keep_token_add(keep, &token, text, err) < 0)
            return -1;
        jsonw_text(w, rows[i].name, text);
    }
    jsonw_end(w);
    return 0;
}

static int
serve_until_end(struct audit *audit, struct err *err)
{
    struct serve_options so = {
        .keep = keep, .pool = pool, .audit = audit, .cors_origin = "http://viewer.example"};
    struct serve *serve = serve_new(&so);
    struct http_table table = serve_table(serve);
    struct http_options ho = {.address = "127.0.0.1",
                              .name = "storage/dicomweb",
                              .tables = &table,
                              .table_count = 1,
                              .authorise = serve_authorise,
                              .authorise_user = serve};
    struct http_server *server = NULL;
    char line[4096], url[64];
    struct buf b;
    struct jsonw w;

    if (http_server_start(&ho, &server, err) < 0)
        return -1;
    buf_init(&b, 1 << 16);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
    jsonw_text(&w, "url", url);
    if (make_tokens(&w, err) < 0)
        return -1;
    jsonw_end(&w);
    puts(buf_text(&b));
    fflush(stdout);
    buf_fini(&b);
    while (fgets(line, sizeof line, stdin) != NULL)
        if (obey(line, err) < 0)
            answer(err_kind_name(err->kind), err->text);
    http_server_stop(&server);
    serve_free(&serve);
    return 0;
}

int
main(int argc, char **argv)
{
    struct keep_options ko = {.connections = 4, .quiet_ms = 3600000};
    struct audit *audit = NULL;
    struct err err;
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    if (argc != 3)
        return 64;
    ko.conninfo = argv[1];
    ko.landing = folder(argv[2], "landing", &err);
    ko.landing_copy = folder(argv[2], "landing-copy", &err);
    ko.stores[0] = folder(argv[2], "store-1", &err);
    ko.stores[1] = folder(argv[2], "store-2", &err);
    if (codec_pool_new(2, &pool, &err) < 0 ||
        audit_open(folder(argv[2], "audit", &err), "storage", &audit, &err) < 0 ||
        keep_open(&ko, pool, audit, &keep, &err) < 0 || serve_until_end(audit, &err) < 0) {
        fprintf(stderr, "tool_archive: %s\n", err.text);
        return 1;
    }
    keep_close(&keep);
    audit_close(&audit);
    codec_pool_free(&pool);
    while (sent_count > 0) {
        struct sent *s = &sents[--sent_count];

        close(s->fd);
        free(s->object.recipe);
        free(s->object.layout);
    }
    while (folder_count > 0)
        free(folders[--folder_count]);
    return 0;
}
