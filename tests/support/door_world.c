/* door_world.c - see door_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "proto/base/durable.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "tests/support/door_world.h"

static void
open_spool(struct door_world *w, const struct spool_options *options)
{
    struct spool_options small = {.segment_bytes = 4u << 20};
    char *folder = mem_printf("%s/spool", w->dir);
    struct err err = {0};

    if (spool_open(folder, options ? options : &small, &w->spool, &err) < 0)
        fail_msg("%s", err.text);
    free(folder);
}

void
door_begin(struct door_world *w, const struct spool_options *spool, const char *devices)
{
    memset(w, 0, sizeof *w);
    folder_make("door", w->dir);
    w->accept_dir = mem_printf("%s/accept", w->dir);
    w->options.dir = w->accept_dir;
    w->options.address = "127.0.0.1";
    w->options.called = "RADPOST";
    open_spool(w, spool);
    door_put_file(w, "devices.conf", devices);
}

void
door_end(struct door_world *w)
{
    accept_stop(&w->door);
    spool_close(&w->spool);
    folder_remove(w->dir);
    free(w->accept_dir);
}

void
door_open(struct door_world *w)
{
    struct err err = {0};

    if (accept_open(&w->options, w->spool, &w->door, &err) < 0)
        fail_msg("%s", err.text);
    if (w->add_services)
        w->add_services(w);
    if (accept_listen(w->door, &err) < 0)
        fail_msg("%s", err.text);
}

void
door_restart(struct door_world *w)
{
    accept_stop(&w->door);
    spool_close(&w->spool);
    open_spool(w, NULL);
    door_open(w);
}

void
door_put_file(struct door_world *w, const char *name, const char *text)
{
    char *tmp = mem_printf("%s/tmp", w->accept_dir);
    struct err err = {0};

    if (durable_mkdir(w->accept_dir, &err) < 0 || durable_mkdir(tmp, &err) < 0 ||
        durable_put_file(w->accept_dir, name, text, strlen(text), &err) < 0)
        fail_msg("%s", err.text);
    free(tmp);
}

int
door_connect(struct door_world *w, const char *calling, const char *called,
             const char *const *classes, struct dimse_assoc **out, struct err *err)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE};
    struct dimse_proposal proposals[16] = {{DCM_UID_CT_IMAGE, plain, 1, false},
                                           {DCM_UID_VERIFICATION, plain, 1, false}};
    struct dimse_connect_options options = {
        .host = "127.0.0.1", .port = accept_port(w->door), .calling = calling, .called = called};
    size_t n = 2;

    for (; classes && *classes && n < 16; classes++)
        proposals[n++] = (struct dimse_proposal){*classes, plain, 1, false};
    return dimse_connect(&options, proposals, n, out, err);
}

uint16_t
door_store(struct dimse_assoc *assoc, const char *sop_instance)
{
    static const uint8_t bytes[] = {8,   0,   5,   0,   'C', 'S', 10,  0,   'I',
                                    'S', 'O', '_', 'I', 'R', ' ', '1', '9', '2'};
    struct dimse_command rq = {
        .context = 1, .field = DIMSE_C_STORE_RQ, .message_id = 1, .has_data = true};
    struct dimse_command rsp;
    struct err err = {0};

    snprintf(rq.sop_class, sizeof rq.sop_class, "%s", DCM_UID_CT_IMAGE);
    snprintf(rq.sop_instance, sizeof rq.sop_instance, "%s", sop_instance);
    if (dimse_send_command(assoc, &rq, &err) < 0 ||
        dimse_send_data(assoc, 1, bytes, sizeof bytes, true, &err) < 0 ||
        dimse_next_command(assoc, &rsp, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(rsp.field, DIMSE_C_STORE_RSP);
    return rsp.status;
}

uint16_t
door_store_as(struct door_world *w, const char *calling, const char *sop_instance)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    uint16_t status;

    if (door_connect(w, calling, "RADPOST", NULL, &assoc, &err) < 0)
        return 0xFFFF;
    status = door_store(assoc, sop_instance);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    return status;
}

uint64_t
door_count(struct door_world *w, enum instance_state state)
{
    uint64_t counts[INSTANCE_STATES];

    spool_counts(w->spool, counts);
    return counts[state];
}

void
door_enrol(struct door_world *w, const char *ae, const char *address)
{
    struct accept_device d = {.may = 0};
    struct err err = {0};

    snprintf(d.ae, sizeof d.ae, "%s", ae);
    snprintf(d.address, sizeof d.address, "%s", address);
    if (accept_put_device(w->door, &d, &err) < 0)
        fail_msg("%s", err.text);
}
