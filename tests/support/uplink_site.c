/* uplink_site.c - a clinic in the test's process. */
#include "tests/support/uplink_site.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/codec/codec.h"
#include "proto/dicom/syntax.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/ct_picture.h"

static struct err err;

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

void
uplink_site_open(struct uplink_site *s, const char *name, unsigned workers)
{
    struct spool_options spool_options = {.segment_bytes = 4 << 20, .keep_sealed_ms = -1};

    memset(s, 0, sizeof *s);
    folder_make(name, s->folder);
    snprintf(s->spool_dir, sizeof s->spool_dir, "%s/spool", s->folder);
    snprintf(s->link_dir, sizeof s->link_dir, "%s/link", s->folder);
    snprintf(s->centre_dir, sizeof s->centre_dir, "%s/centre", s->folder);
    must(spool_open(s->spool_dir, &spool_options, &s->spool, &err));
    must(codec_pool_new(workers, &s->pool, &err));
    s->centre = fake_centre_start(s->centre_dir, s->link_dir);
    s->options = (struct uplink_options){.link_dir = s->link_dir,
                                         .connections = 3,
                                         .coders = workers,
                                         .bundle_bytes = 65536,
                                         .backoff_ms = 20,
                                         .backoff_max_ms = 100,
                                         .stall_ms = 5000,
                                         .quiet_ms = 300,
                                         .look_hold_ms = 30000,
                                         .recheck_ms = 3600000};
}

void
uplink_site_start(struct uplink_site *s)
{
    must(uplink_start(&s->options, s->spool, s->pool, &s->up, &err));
}

void
uplink_site_close(struct uplink_site *s)
{
    uplink_stop(&s->up);
    fake_centre_stop(&s->centre);
    spool_close(&s->spool);
    codec_pool_free(&s->pool);
    folder_remove(s->folder);
}

uint64_t
uplink_site_receive(struct uplink_site *s, const char *study, int number, const struct buf *bytes)
{
    struct spool_meta meta = {.sop_class = "1.2.840.10008.5.1.4.1.1.2",
                              .transfer_syntax = DCM_UID_EXPLICIT_LE};
    struct spool_draft *draft = NULL;
    uint64_t id = 0;

    snprintf(meta.sop_instance, sizeof meta.sop_instance, "%s.%d", study, number);
    must(spool_draft_begin(s->spool, &meta, &draft, &err));
    must(spool_draft_write(draft, bytes->bytes, bytes->n, &err));
    must(spool_commit(s->spool, &draft, &id, &err));
    return id;
}

uint64_t
uplink_site_picture(struct uplink_site *s, const char *study, int number, bool is_text_only)
{
    struct buf file;
    uint64_t id;

    buf_init(&file, 1 << 20);
    picture(&file, study, number, is_text_only);
    id = uplink_site_receive(s, study, number, &file);
    buf_fini(&file);
    return id;
}

void
uplink_site_pictures(struct uplink_site *s, const char *study, int n, bool is_text_only)
{
    for (int i = 1; i <= n; i++)
        uplink_site_picture(s, study, i, is_text_only);
}

bool
uplink_site_wait(struct uplink_site *s, unsigned states, uint64_t least)
{
    int64_t until_ms = clock_mono_ms() + UPLINK_SITE_WAIT_MS;
    uint64_t counts[INSTANCE_STATES], seen = 0, n;

    do {
        spool_counts(s->spool, counts);
        n = 0;
        for (int i = 0; i < INSTANCE_STATES; i++)
            n += (states & INSTANCE_BIT(i)) != 0 ? counts[i] : 0;
        if (n >= least)
            return true;
        seen = spool_wait(s->spool, seen, 200);
    } while (clock_mono_ms() < until_ms);
    for (int i = 0; i < INSTANCE_STATES; i++)
        print_error("%s: %llu\n", instance_state_word((enum instance_state)i),
                    (unsigned long long)counts[i]);
    return false;
}

struct fake_counts
uplink_site_counts(struct uplink_site *s)
{
    struct fake_counts counts;

    fake_centre_lock(s->centre);
    counts = *fake_centre_counts(s->centre);
    fake_centre_unlock(s->centre);
    return counts;
}

void
uplink_site_wish(struct uplink_site *s, struct fake_wishes wishes)
{
    fake_centre_lock(s->centre);
    *fake_centre_wishes(s->centre) = wishes;
    fake_centre_unlock(s->centre);
}
