/* serve_world.c - spool, accept and serve in one process. */
#include "tests/support/serve_world.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/write.h"
#include "proto/model/doubts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 64 << 20 };

/* Tests of these stages stop where their world does not come about. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0) {                                                                          \
            fprintf(stderr, "serve world: %s\n", err.text);                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

void
serve_world_devices(struct serve_world *w, const char *devices)
{
    char *folder = mem_printf("%s/accept", w->dir), *tmp = mem_printf("%s/accept/tmp", w->dir);
    struct err err = {0};

    MUST(durable_mkdir(folder, &err));
    MUST(durable_mkdir(tmp, &err));
    MUST(durable_put_file(folder, "devices.conf", devices, strlen(devices), &err));
    free(tmp);
    free(folder);
}

void
serve_world_make(struct serve_world *w, const char *devices)
{
    if (w->dir[0] == '\0')
        folder_make("serve", w->dir);
    serve_world_devices(w, devices);
    serve_world_open(w);
}

void
serve_world_open(struct serve_world *w)
{
    char *folder = mem_printf("%s/accept", w->dir), *spool = mem_printf("%s/spool", w->dir);
    char *serve = mem_printf("%s/serve", w->dir);
    struct spool_options spool_options = {
        .segment_bytes = 4u << 20, .keep_sealed_ms = -1, .refuse_free_bytes = w->refuse_free_bytes};
    struct accept_options options = {.dir = folder, .address = "127.0.0.1", .called = "RADPOST"};
    struct err err = {0};

    MUST(spool_open(spool, &spool_options, &w->spool, &err));
    MUST(accept_open(&options, w->spool, &w->door, &err));
    w->options.dir = serve;
    w->options.ae = "RADPOST";
    w->options.spool = w->spool;
    w->options.accept = w->door;
    w->options.pool = w->pool;
    if (w->options.retry_ms == 0)
        w->options.retry_ms = w->options.retry_max_ms = 50;
    if (w->options.give_up_ms == 0)
        w->options.give_up_ms = 3600000;
    MUST(serve_start(&w->options, &w->serve, &err));
    MUST(accept_listen(w->door, &err));
    free(serve);
    free(spool);
    free(folder);
}

void
serve_world_close(struct serve_world *w)
{
    if (w->door != NULL)
        accept_shut(w->door);
    serve_stop(w->serve);
    accept_stop(&w->door);
    serve_close(&w->serve);
    spool_close(&w->spool);
}

void
serve_world_remove(struct serve_world *w)
{
    serve_world_close(w);
    folder_remove(w->dir);
    w->dir[0] = '\0';
}

const char *
serve_world_port(struct serve_world *w)
{
    static char text[8];

    snprintf(text, sizeof text, "%u", accept_port(w->door));
    return text;
}

static uint64_t
put_bytes(struct serve_world *w, const uint8_t *bytes, size_t n)
{
    struct spool_meta meta = {.calling_ae = "CT1", .called_ae = "RADPOST", .peer = "127.0.0.1"};
    struct spool_draft *draft = NULL;
    struct dcm_part10 part10;
    struct err err = {0};
    uint64_t id = 0;

    MUST(dcm_part10_parse(bytes, n, &part10, &err));
    text_copy(meta.sop_class, sizeof meta.sop_class, part10.sop_class);
    text_copy(meta.sop_instance, sizeof meta.sop_instance, part10.sop_instance);
    text_copy(meta.transfer_syntax, sizeof meta.transfer_syntax, part10.transfer_syntax);
    MUST(spool_draft_begin(w->spool, &meta, &draft, &err));
    MUST(spool_draft_write(draft, bytes, n, &err));
    MUST(spool_commit(w->spool, &draft, &id, &err));
    return id;
}

static const char *
or_else(const char *text, const char *other)
{
    return text != NULL ? text : other;
}

uint64_t
serve_world_put(struct serve_world *w, const struct serve_image *image)
{
    const char *sop_class = or_else(image->sop_class, DCM_UID_CT_IMAGE);
    struct dcm_writer writer;
    struct err err = {0};
    char number[16];
    struct buf file;
    uint64_t id;

    snprintf(number, sizeof number, "%d", image->number);
    buf_init(&file, 1 << 20);
    MUST(part10_head(&file, sop_class, image->sop_instance, DCM_UID_EXPLICIT_LE, "CT1", &err));
    dcm_write_init(&writer, &file, DCM_EXPLICIT_LE);
    dcm_write_text(&writer, 0x00080005, "CS", or_else(image->character_set, "ISO_IR 192"));
    dcm_write_text(&writer, 0x00080016, "UI", sop_class);
    dcm_write_text(&writer, 0x00080018, "UI", image->sop_instance);
    dcm_write_text(&writer, 0x00080020, "DA", or_else(image->date, "20260102"));
    dcm_write_text(&writer, 0x00080030, "TM", "101112");
    dcm_write_text(&writer, 0x00080060, "CS", or_else(image->modality, "CT"));
    dcm_write_text(&writer, 0x00100010, "PN", or_else(image->name, "Nobody"));
    dcm_write_text(&writer, 0x00100020, "LO", or_else(image->patient_id, "P1"));
    if (image->issuer != NULL)
        dcm_write_text(&writer, 0x00100021, "LO", image->issuer);
    dcm_write_text(&writer, 0x0020000D, "UI", image->study);
    dcm_write_text(&writer, 0x0020000E, "UI", image->series);
    dcm_write_text(&writer, 0x00200011, "IS", "7");
    dcm_write_text(&writer, 0x00200013, "IS", number);
    dcm_write_u16(&writer, 0x00280010, 512);
    id = put_bytes(w, file.bytes, file.n);
    buf_fini(&file);
    return id;
}

uint64_t
serve_world_put_file(struct serve_world *w, const char *path)
{
    uint8_t *bytes = NULL;
    struct err err = {0};
    size_t n = 0;
    uint64_t id;

    MUST(durable_get_file(path, FILE_BYTES, &bytes, &n, &err));
    id = put_bytes(w, bytes, n);
    free(bytes);
    return id;
}

static void
inspect(struct serve_world *w, uint64_t id)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct spool_inspection found = {.frames = 1};
    struct spool_bytes bytes;
    struct err err = {0};
    uint8_t *file;

    MUST(spool_source_received(w->spool, id, &bytes, &err));
    file = mem_new(bytes.size + 1);
    MUST(durable_read_at(bytes.fd, file, bytes.size, bytes.offset, &err));
    close(bytes.fd);
    if (dcm_facts_read(file, bytes.size, false, facts, &err) < 0) {
        MUST(spool_set_quarantined(w->spool, id, "unreadable: by the test", &err));
    } else {
        text_copy(found.study_uid, sizeof found.study_uid, facts->study_uid);
        text_copy(found.series_uid, sizeof found.series_uid, facts->series_uid);
        text_copy(found.modality, sizeof found.modality, facts->modality);
        if (facts->is_study_made || facts->is_series_made)
            found.doubts = DOUBT_BAD_UID | DOUBT_MADE_UID;
        MUST(spool_set_inspected(w->spool, id, &found, &err));
    }
    free(file);
    free(facts);
}

static void
each(struct serve_world *w, uint32_t states, void (*what)(struct serve_world *, uint64_t))
{
    struct spool_filter filter = {.states = states};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(w->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++)
        what(w, ids[i]);
    free(ids);
}

static void
seal(struct serve_world *w, uint64_t id)
{
    struct err err = {0};

    MUST(spool_set_uncoded(w->spool, id, "test", &err));
    MUST(spool_set_held(w->spool, id, 0, &err));
    MUST(spool_set_sealed(w->spool, id, 0, &err));
}

void
serve_world_inspect(struct serve_world *w)
{
    each(w, INSTANCE_BIT(INSTANCE_RECEIVED), inspect);
}

void
serve_world_seal(struct serve_world *w)
{
    serve_world_inspect(w);
    each(w, INSTANCE_BIT(INSTANCE_INSPECTED), seal);
}
