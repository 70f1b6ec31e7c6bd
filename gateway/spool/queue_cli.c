/* queue_cli.c - radpost queue: what waits in a spool folder, in words. */
#include "gateway/spool/queue_cli.h"

#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "radpost queue list DIR [STATE]     the entries of a gateway's spool, oldest first\n"
    "radpost queue show DIR ID          one entry\n"
    "radpost queue export DIR ID FILE   its Part 10 file as it was received (FILE must be new)\n"
    "DIR is the spool's folder; the gateway may be running. Nothing in it is changed.\n";

static int
complain(const struct err *err)
{
    fprintf(stderr, "radpost queue: %s\n", err->text);
    return err_kind_exit(err->kind);
}

static int
list_entry(struct spool *sp, uint64_t id, struct err *err)
{
    struct spool_entry *e = NULL;
    char when[40];

    if (spool_load(sp, id, &e, err) < 0)
        return -1;
    clock_text(e->meta.received_at_us, when);
    printf("%8" PRIu64 "  %-11s  %s  %10" PRIu64 "  %-16s  %-4s %s\n", e->id,
           instance_state_word(e->state), when, e->size, e->meta.calling_ae,
           e->facts.modality[0] != '\0' ? e->facts.modality : "?", e->meta.sop_instance);
    spool_entry_free(&e);
    return 0;
}

static void
print_counts(struct spool *sp)
{
    uint64_t counts[INSTANCE_STATES];

    spool_counts(sp, counts);
    for (int s = 0; s < INSTANCE_STATES; s++)
        if (counts[s] > 0)
            printf("%8" PRIu64 "  %-11s  %s\n", counts[s],
                   instance_state_word((enum instance_state)s),
                   instance_state_meaning((enum instance_state)s));
}

static int
list(struct spool *sp, const char *word, struct err *err)
{
    struct spool_filter filter = {0};
    uint64_t *ids = NULL;
    size_t n = 0;
    int rc = 0, state;

    if (word != NULL) {
        state = instance_state_from_word(word);
        if (state < 0)
            return err_set(err, ERR_REJECT, "there is no state '%s'", word);
        filter.states = INSTANCE_BIT(state);
    }
    spool_list(sp, &filter, &ids, &n);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = list_entry(sp, ids[i], err);
    free(ids);
    if (rc == 0)
        print_counts(sp);
    return rc;
}

static void
print_hex(const char *name, const uint8_t sha256[32])
{
    char hex[65];

    hex_encode(sha256, 32, hex);
    printf("%-16s %s\n", name, hex);
}

static void
print_inspection(const struct spool_entry *e)
{
    printf("%-16s %s\n%-16s %s\n%-16s %s\n", "study", e->facts.study_uid, "series",
           e->facts.series_uid, "modality", e->facts.modality);
    print_hex("pixels", e->facts.pixels_sha256);
    print_hex("data set", e->facts.dataset_sha256);
    printf("%-16s %u\n", "manifest", e->revision);
}

static int
show(struct spool *sp, uint64_t id, struct err *err)
{
    struct spool_entry *e = NULL;

    if (spool_load(sp, id, &e, err) < 0)
        return -1;
    printf("%-16s %" PRIu64 "\n%-16s %s (%s)\n", "entry", e->id, "state",
           instance_state_word(e->state), instance_state_meaning(e->state));
    printf("%-16s %s > %s, from %s\n%-16s %s\n%-16s %s\n%-16s %s\n", "sent", e->meta.calling_ae,
           e->meta.called_ae, e->meta.peer, "SOP class", e->meta.sop_class, "SOP instance",
           e->meta.sop_instance, "transfer syntax", e->meta.transfer_syntax);
    printf("%-16s %" PRIu64 " bytes\n", "received", e->size);
    print_hex("received file", e->received_sha256);
    if (e->is_coded)
        printf("%-16s %" PRIu64 " bytes\n", "coded", e->object_size);
    print_hex("object", e->object_sha256);
    if (e->is_inspected)
        print_inspection(e);
    if (e->why_not_coded[0] != '\0')
        printf("%-16s %s\n", "not coded", e->why_not_coded);
    if (e->last_error[0] != '\0')
        printf("%-16s %s\n", "trouble", e->last_error);
    for (int s = 0; s < INSTANCE_STATES; s++) {
        char when[40];

        if (e->state_at_us[s] == 0)
            continue;
        clock_text(e->state_at_us[s], when);
        printf("%-16s %s\n", instance_state_word((enum instance_state)s), when);
    }
    if (!e->has_bytes)
        printf("its bytes were removed after it was sealed\n");
    spool_entry_free(&e);
    return 0;
}

static int
copy(const struct spool_bytes *from, int to, struct err *err)
{
    uint8_t *chunk = mem_new(1 << 20);
    uint64_t at = 0;
    int rc = 0;

    while (rc == 0 && at < from->size) {
        uint64_t left = from->size - at;
        size_t n = left < 1 << 20 ? (size_t)left : 1 << 20;

        rc = durable_read_at(from->fd, chunk, n, from->offset + at, err);
        if (rc == 0)
            rc = durable_write(to, chunk, n, err);
        at += n;
    }
    free(chunk);
    return rc;
}

/* Believed only when the digest agrees. */
static int
export_file(struct spool *sp, uint64_t id, const char *path, struct err *err)
{
    struct spool_entry *e = NULL;
    struct spool_bytes from = {.fd = -1};
    uint8_t sha256[32];
    int to = -1, rc = -1;

    if (spool_load(sp, id, &e, err) < 0 || spool_source_received(sp, id, &from, err) < 0)
        goto out;
    to = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0) {
        err_sys(err, errno == EEXIST ? ERR_CONFLICT : ERR_RETRY, "%s", path);
        goto out;
    }
    if (copy(&from, to, err) < 0 || durable_sync(to, err) < 0 ||
        digest_file(to, 0, e->size, sha256, err) < 0)
        goto out;
    if (memcmp(sha256, e->received_sha256, 32) != 0) {
        err_set(err, ERR_CONFLICT, "%s: the bytes disagree with the digest taken on arrival", path);
        goto out;
    }
    rc = 0;
out:
    if (to >= 0)
        close(to);
    if (from.fd >= 0)
        close(from.fd);
    spool_entry_free(&e);
    return rc;
}

static int
run(struct spool *sp, int argc, char **argv, struct err *err)
{
    uint64_t id;

    if (strcmp(argv[1], "list") == 0)
        return list(sp, argc > 3 ? argv[3] : NULL, err);
    if (text_to_u64(argv[3], UINT64_MAX, &id) < 0)
        return err_set(err, ERR_REJECT, "'%s' is no entry's number", argv[3]);
    if (strcmp(argv[1], "show") == 0)
        return show(sp, id, err);
    return export_file(sp, id, argv[4], err);
}

static bool
is_understood(int argc, char **argv)
{
    return argc >= 3 && ((strcmp(argv[1], "list") == 0 && argc <= 4) ||
                         (strcmp(argv[1], "show") == 0 && argc == 4) ||
                         (strcmp(argv[1], "export") == 0 && argc == 5));
}

int
queue_cli(int argc, char **argv)
{
    struct spool_options options = {.is_read_only = true};
    struct spool *sp = NULL;
    struct err err = {0};
    int rc;

    if (!is_understood(argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (access(argv[2], R_OK | X_OK) < 0) {
        err_sys(&err, ERR_NOT_FOUND, "%s", argv[2]);
        return complain(&err);
    }
    if (spool_open(argv[2], &options, &sp, &err) < 0)
        return complain(&err);
    rc = run(sp, argc, argv, &err);
    spool_close(&sp);
    return rc < 0 ? complain(&err) : 0;
}
