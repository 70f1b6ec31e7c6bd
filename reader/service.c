/* service.c - the stages, lowest first, and how they begin and end. */
#include "reader/reader.h"

#include "proto/base/durable.h"
#include "proto/base/embed.h"
#include "proto/base/text.h"
#include "reader/archive/archive.h"
#include "reader/assign/assign.h"
#include "reader/compose/compose.h"
#include "reader/deliver/deliver.h"
#include "reader/door/door.h"
#include "reader/people/people.h"

#include <stdio.h>

static const struct log_ctx ctx = {.stage = "reader"};

static int
start_archive(struct reader *r, struct err *err)
{
    return archive_open(r->identity_dir, r->storage_url, &r->archive, err);
}

static void
hush_archive(struct reader *r)
{
    if (r->archive != NULL)
        archive_abort(r->archive);
}

static void
stop_archive(struct reader *r)
{
    archive_close(&r->archive);
}

static int
start_people(struct reader *r, struct err *err)
{
    struct people_options o = {.pg = r->pg,
                               .audit = r->audit,
                               .is_demo = r->config.demo,
                               .session_idle_ms = r->config.session_idle,
                               .session_end_ms = r->config.session_end};

    (void)err;
    r->people = people_new(&o);
    return 0;
}

static void
stop_people(struct reader *r)
{
    people_free(&r->people);
}

static int
start_assign(struct reader *r, struct err *err)
{
    struct assign_options o = {.pg = r->pg,
                               .archive = r->archive,
                               .audit = r->audit,
                               .lease_short_ms = r->config.lease_short,
                               .lease_long_ms = r->config.lease_long,
                               .on_documents_missing = compose_documents_missing};

    return assign_start(&o, &r->assign, err);
}

static void
hush_assign(struct reader *r)
{
    if (r->assign != NULL)
        assign_stop(r->assign);
}

static void
stop_assign(struct reader *r)
{
    assign_free(&r->assign);
}

static int
start_compose(struct reader *r, struct err *err)
{
    struct compose_options o = {.pg = r->pg,
                                .archive = r->archive,
                                .assign = r->assign,
                                .audit = r->audit,
                                .data_dir = r->config.data_dir,
                                .patient_url = r->patient_url};

    return compose_open(&o, &r->compose, err);
}

static void
stop_compose(struct reader *r)
{
    compose_close(&r->compose);
}

static int
start_patient_door(struct reader *r, struct err *err)
{
    struct patient_options o = {.pg = r->pg,
                                .archive = r->archive,
                                .audit = r->audit,
                                .compose = r->compose,
                                .patient_url = r->patient_url,
                                .send_command = r->config.send_command,
                                .outbox_dir = r->outbox_dir};

    reader_place(r, r->config.outbox_dir, "outbox", r->outbox_dir);
    if (r->config.send_command[0] == '\0' && durable_mkdir(r->outbox_dir, err) < 0)
        return -1;
    return patient_open(&o, &r->patient_door, err);
}

static void
stop_patient_door(struct reader *r)
{
    patient_close(&r->patient_door);
}

static int
start_deliver(struct reader *r, struct err *err)
{
    struct deliver_options o = {.pg = r->pg,
                                .archive = r->archive,
                                .assign = r->assign,
                                .compose = r->compose,
                                .patient = r->patient_door,
                                .audit = r->audit,
                                .patient_url = r->patient_url};

    return deliver_start(&o, &r->deliver, err);
}

static void
hush_deliver(struct reader *r)
{
    if (r->deliver != NULL)
        deliver_stop(r->deliver);
}

static void
stop_deliver(struct reader *r)
{
    deliver_free(&r->deliver);
}

static int
start_door(struct reader *r, struct err *err)
{
    struct door_options o = {.pg = r->pg,
                             .audit = r->audit,
                             .people = r->people,
                             .archive = r->archive,
                             .pages = embedded_pages};

    (void)err;
    r->door = door_new(&o);
    return 0;
}

static void
stop_door(struct reader *r)
{
    door_free(&r->door);
}

static int
start_renewal(struct reader *r, struct err *err)
{
    bool is_others = r->config.web_tls && r->config.web_certificate[0] != '\0';
    struct archive_renewal_options o = {.archive = r->archive,
                                        .identity_dir = r->identity_dir,
                                        .url = r->storage_url,
                                        .servers = {r->link, r->staff, r->patient},
                                        .web_certificate =
                                            is_others ? r->config.web_certificate : NULL};

    (void)err;
    r->renewal = archive_renewal_start(&o);
    return 0;
}

static void
stop_renewal(struct reader *r)
{
    archive_renewal_stop(&r->renewal);
}

/* Begun from the first on. At the end first all hush, from the last back: what waits (streams, long
 * polls, calls of the archive) returns, so that listeners can end; then all stop, from the last
 * back. Both may be NULL, and must bear that their start did not run. */
static const struct stage {
    const char *name;
    int (*start)(struct reader *r, struct err *err);
    void (*hush)(struct reader *r);
    void (*stop)(struct reader *r);
} stages[] = {
    {"identity", reader_start_identity, NULL, reader_stop_identity},
    {"database", reader_start_database, NULL, reader_stop_database},
    {"archive", start_archive, hush_archive, stop_archive},
    {"people", start_people, NULL, stop_people},
    {"assign", start_assign, hush_assign, stop_assign},
    {"compose", start_compose, NULL, stop_compose},
    {"patient door", start_patient_door, NULL, stop_patient_door},
    {"deliver", start_deliver, hush_deliver, stop_deliver},
    {"door", start_door, NULL, stop_door},
    {"staff", reader_start_staff, NULL, NULL},
    {"patient", reader_start_patient, NULL, NULL},
    {"link", reader_start_link, NULL, reader_stop_listeners},
    {"renewal", start_renewal, NULL, stop_renewal},
};

int
reader_start(struct reader *r, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(stages); i++)
        if (stages[i].start(r, err) < 0)
            return err_context(err, "start %s", stages[i].name);
    LOG(&ctx, READER_READY, F_NUMBER("staff_port", http_server_port(r->staff)),
        F_NUMBER("patient_port", http_server_port(r->patient)),
        F_NUMBER("link_port", http_server_port(r->link)));
    return 0;
}

void
reader_stop(struct reader *r)
{
    for (size_t i = ARRAY_LEN(stages); i > 0; i--)
        if (stages[i - 1].hush != NULL)
            stages[i - 1].hush(r);
    for (size_t i = ARRAY_LEN(stages); i > 0; i--)
        if (stages[i - 1].stop != NULL)
            stages[i - 1].stop(r);
}
