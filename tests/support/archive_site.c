/* archive_site.c - one clinic, one archive. */
#include "tests/support/archive_site.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/dicom/syntax.h"
#include "tests/support/ok.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { EVERY_MS = 600000 };

struct pg_cluster *archive_site_cluster;

static struct codec_pool *pool;
static struct err err;

bool
archive_site_begin(int argc, char **argv, int *out_status)
{
    if (codec_worker_main_if_asked(argc, argv, out_status))
        return false;
    if (getenv("RADPOST_TEST_LOG") == NULL)
        log_set_fd(-1);
    archive_site_cluster = pg_cluster_start();
    if (archive_site_cluster == NULL) {
        puts("SKIP: PostgreSQL is not installed");
        *out_status = 77;
        return false;
    }
    if (codec_pool_new(1, &pool, &err) < 0) {
        puts(err.text);
        pg_cluster_remove(&archive_site_cluster);
        *out_status = 1;
        return false;
    }
    return true;
}

void
archive_site_end(void)
{
    codec_pool_free(&pool);
    pg_cluster_remove(&archive_site_cluster);
}

void
archive_site_start(struct archive_site *s)
{
    struct uplink_options options = {.dir = s->uplink_dir,
                                     .link_dir = s->link_dir,
                                     .connections = 2,
                                     .coders = 1,
                                     .coding = UPLINK_CODING_OFF,
                                     .bundle_bytes = 1 << 20,
                                     .backoff_ms = 20,
                                     .backoff_max_ms = 100,
                                     .stall_ms = 5000,
                                     .quiet_ms = 100,
                                     .recheck_ms = 3600000,
                                     .reconcile_ms = EVERY_MS};

    OK(uplink_start(&options, s->spool, pool, &s->up, &err));
}

void
archive_site_open(struct archive_site *s, const char *database, int64_t keep_sealed_ms)
{
    struct spool_options options = {.segment_bytes = 1 << 20, .keep_sealed_ms = keep_sealed_ms};

    memset(s, 0, sizeof *s);
    archive_world_open(&s->world, archive_site_cluster, database, NULL);
    folder_make("reconcile", s->folder);
    snprintf(s->spool_dir, sizeof s->spool_dir, "%s/spool", s->folder);
    snprintf(s->link_dir, sizeof s->link_dir, "%s/link", s->folder);
    snprintf(s->uplink_dir, sizeof s->uplink_dir, "%s/uplink", s->folder);
    archive_world_enrol(&s->world, "gateway", "clinic-a", "gate-1", "", s->link_dir);
    OK(spool_open(s->spool_dir, &options, &s->spool, &err));
    archive_site_start(s);
}

void
archive_site_close(struct archive_site *s)
{
    uplink_stop(&s->up);
    spool_close(&s->spool);
    archive_world_close(&s->world);
    folder_remove(s->folder);
    free(s->backup);
}

void
archive_site_receive_one(struct archive_site *s, const char *study, unsigned number)
{
    struct spool_meta meta = {.transfer_syntax = DCM_UID_EXPLICIT_LE,
                              .sop_class = "1.2.840.10008.5.1.4.1.1.2"};
    struct slice slice = {
        .study = study, .series = "1.2.9", .instance = meta.sop_instance, .noise = number};
    struct spool_draft *draft = NULL;
    struct buf file;
    uint64_t id;

    snprintf(meta.sop_instance, sizeof meta.sop_instance, "%s.%u", study, number);
    slice_make(&slice, &file);
    file.bytes[0] = s->preamble;
    OK(spool_draft_begin(s->spool, &meta, &draft, &err));
    OK(spool_draft_write(draft, file.bytes, file.n, &err));
    OK(spool_commit(s->spool, &draft, &id, &err));
    buf_fini(&file);
}

void
archive_site_receive(struct archive_site *s, const char *study, unsigned images)
{
    for (unsigned i = 1; i <= images; i++)
        archive_site_receive_one(s, study, i);
}

void
archive_site_wait(struct archive_site *s, enum instance_state state, uint64_t count)
{
    int64_t until = clock_mono_ms() + ARCHIVE_SITE_WAIT_MS;
    uint64_t counts[INSTANCE_STATES], seen = 0;
    int sealed;

    do {
        if (state == INSTANCE_SEALED)
            OK(keep_work(s->world.vault.keep, &sealed, &err));
        spool_counts(s->spool, counts);
        if (counts[state] == count)
            return;
        seen = spool_wait(s->spool, seen, 50);
    } while (clock_mono_ms() < until);
    for (int i = 0; i < INSTANCE_STATES; i++)
        print_error("%s: %llu\n", instance_state_word((enum instance_state)i),
                    (unsigned long long)counts[i]);
    fail_msg("not %llu are %s", (unsigned long long)count, instance_state_word(state));
}

struct uplink_reconciled
archive_site_reconciled(struct archive_site *s, int64_t after_us)
{
    int64_t until = clock_mono_ms() + ARCHIVE_SITE_WAIT_MS;
    struct uplink_status status;
    int sealed;

    do {
        if (keep_work(s->world.vault.keep, &sealed, &err) < 0)
            fail_msg("%s", err.text);
        uplink_status(s->up, &status);
        if (status.reconciled.at_us >= after_us)
            return status.reconciled;
        spool_wait(s->spool, UINT64_MAX, 20);
    } while (clock_mono_ms() < until);
    fail_msg("no comparison came to its end");
    return status.reconciled;
}

void
archive_site_back_up(struct archive_site *s, const char *database, const char *name)
{
    archive_world_stop(&s->world);
    s->backup = pg_cluster_copy(archive_site_cluster, database, name);
    archive_world_start(&s->world);
}

int64_t
archive_site_set(struct archive_site *s, bool is_back)
{
    int64_t since_us;

    archive_world_stop(&s->world);
    since_us = clock_wall_us();
    s->world.vault.options.conninfo = is_back ? s->backup : s->world.vault.conninfo;
    archive_world_start(&s->world);
    return since_us;
}
