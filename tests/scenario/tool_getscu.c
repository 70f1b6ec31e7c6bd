/* tool_getscu - ask for a study by C-GET in exactly one transfer syntax, for scenarios: stock
 * getscu cannot name every one.
 *
 *     tool_getscu PORT CALLING CALLED STUDY SYNTAX CLASS FOLDER
 *
 * PORT is one of 127.0.0.1. What comes is written as Part 10 files into FOLDER, 00000, 00001, ...
 * Ends with 0 when the last answer was success and nothing failed. */
#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/syntax.h"
#include "proto/dicom/write.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct asked {
    const char *calling, *called, *study, *syntax, *sop_class, *folder;
    uint16_t port;
    struct dimse_assoc *assoc;
    unsigned stored;
};

static int
write_file(const struct asked *a, const struct buf *file, struct err *err)
{
    char path[PATH_MAX];
    FILE *f;
    bool is_written;

    snprintf(path, sizeof path, "%s/%05u", a->folder, a->stored);
    f = fopen(path, "wb");
    if (f == NULL)
        return err_sys(err, ERR_FATAL, "write %s", path);
    is_written = fwrite(file->bytes, 1, file->n, f) == file->n;
    if (fclose(f) != 0 || !is_written)
        return err_sys(err, ERR_FATAL, "write %s", path);
    return 0;
}

/* A C-STORE request of theirs: its data set into a file, then success. */
static int
take_instance(struct asked *a, const struct dimse_command *rq, struct err *err)
{
    const struct dimse_context *context = dimse_context(a->assoc, rq->context);
    struct dimse_command answer = dimse_answer(rq, DIMSE_SUCCESS);
    struct buf file;
    int rc = -1;

    buf_init(&file, LIMIT_OBJECT_BYTES);
    if (context == NULL || context->peer_is_scp) {
        err_set(err, ERR_REJECT, "C-STORE in a context where we are not the server");
        goto out;
    }
    if (part10_head(&file, rq->sop_class, rq->sop_instance, context->transfer_syntax, a->called,
                    err) < 0 ||
        dimse_collect_data(a->assoc, &file, err) < 0 || write_file(a, &file, err) < 0)
        goto out;
    a->stored++;
    rc = dimse_send_command(a->assoc, &answer, err);
out:
    buf_fini(&file);
    return rc;
}

static int
ask(struct asked *a, struct err *err)
{
    const struct dimse_context *context = dimse_context_for(a->assoc, DCM_UID_STUDY_ROOT_GET, NULL);
    struct dimse_command rq = {.field = DIMSE_C_GET_RQ,
                               .message_id = 1,
                               .has_data = true,
                               .sop_class = DCM_UID_STUDY_ROOT_GET};
    struct dcm_writer w;
    struct buf identifier;
    int rc = -1;

    if (context == NULL)
        return err_set(err, ERR_REJECT, "C-GET was not agreed on");
    buf_init(&identifier, 4096);
    dcm_write_init(&w, &identifier, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080052, NULL, "STUDY");
    dcm_write_text(&w, 0x0020000D, NULL, a->study);
    rq.context = context->id;
    if (dimse_send_command(a->assoc, &rq, err) == 0)
        rc = dimse_send_data(a->assoc, context->id, identifier.bytes, identifier.n, true, err);
    buf_fini(&identifier);
    return rc;
}

static int
take_answers(struct asked *a, struct err *err)
{
    struct dimse_command c;

    for (;;) {
        if (dimse_next_command(a->assoc, &c, err) < 0)
            return -1;
        if (c.field == DIMSE_C_STORE_RQ) {
            if (take_instance(a, &c, err) < 0)
                return -1;
            continue;
        }
        if (c.field != DIMSE_C_GET_RSP)
            return err_set(err, ERR_REJECT, "message %04x came unasked", c.field);
        if (c.has_data && dimse_skip_data(a->assoc, err) < 0)
            return -1;
        if (c.status == DIMSE_PENDING)
            continue;
        if (c.status != DIMSE_SUCCESS || c.failed > 0)
            return err_set(err, ERR_REJECT, "C-GET ended with %04x, %u failed: %s", c.status,
                           c.failed, c.comment);
        return 0;
    }
}

static int
get(struct asked *a, struct err *err)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE};
    struct dimse_proposal proposals[] = {{DCM_UID_STUDY_ROOT_GET, plain, 1, false},
                                         {a->sop_class, &a->syntax, 1, true}};
    struct dimse_connect_options options = {
        .host = "127.0.0.1", .port = a->port, .calling = a->calling, .called = a->called};

    if (dimse_connect(&options, proposals, ARRAY_LEN(proposals), &a->assoc, err) < 0)
        return -1;
    if (ask(a, err) < 0 || take_answers(a, err) < 0) {
        dimse_abort(&a->assoc);
        return -1;
    }
    return dimse_release(&a->assoc, err);
}

int
main(int argc, char **argv)
{
    struct asked a = {0};
    struct err err = {0};
    uint64_t port = 0;

    if (argc != 8 || text_to_u64(argv[1], 65535, &port) < 0) {
        fputs("tool_getscu PORT CALLING CALLED STUDY SYNTAX CLASS FOLDER\n", stderr);
        return 64;
    }
    a.port = (uint16_t)port;
    a.calling = argv[2];
    a.called = argv[3];
    a.study = argv[4];
    a.syntax = argv[5];
    a.sop_class = argv[6];
    a.folder = argv[7];
    if (get(&a, &err) < 0) {
        fprintf(stderr, "tool_getscu: %s\n", err.text);
        return 1;
    }
    printf("%u instances\n", a.stored);
    return 0;
}
