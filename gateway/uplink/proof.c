/* proof.c - what was coded is decoded by another worker and compared, while its first look and the
 * most of it are on the way: its end waits here for the outcome, so that it cannot be whole there.
 * Nothing on disk says that something is proved: after a restart it is proved again. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/codec/codec.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNSEEN "proofs_failed"

bool
proof_is_known(const struct uplink *up, uint64_t id)
{
    for (size_t i = 0; i < PROVED_MOST; i++)
        if (up->proved[i] == id)
            return true;
    return false;
}

static void
note_proved(struct uplink *up, uint64_t id)
{
    gate_lock(&up->gate);
    up->proved[up->proved_at] = id;
    up->proved_at = (up->proved_at + 1) % PROVED_MOST;
    plan_proved(up->plan, id);
    up->news++;
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
}

void
proof_note_made(struct uplink *up, uint64_t id, int made_by)
{
    gate_lock(&up->gate);
    for (size_t i = 0; i < PROVED_MOST; i++) /* what was made of it before, and released since */
        if (up->proved[i] == id)
            up->proved[i] = 0;
    up->made[up->made_at] = (struct maker){id, made_by};
    up->made_at = (up->made_at + 1) % MADE_MOST;
    gate_unlock(&up->gate);
}

static int
maker_of(struct uplink *up, uint64_t id)
{
    int made_by = 0;

    gate_lock(&up->gate);
    for (size_t i = 0; i < MADE_MOST; i++)
        if (up->made[i].id == id)
            made_by = up->made[i].made_by;
    gate_unlock(&up->gate);
    return made_by;
}

/* The bytes on this disk, not those in memory: they are what goes. */
static int
prove(struct uplink *up, const struct spool_entry *entry, struct err *err)
{
    struct spool_bytes bytes = {.fd = -1};
    struct layout *layout = NULL;
    struct dcm_digests expected = {.pixels_from = PIXELS_NATIVE};
    struct codec_claim claim = {.digests = &expected,
                                .received_sha256 = entry->received_sha256,
                                .made_by = maker_of(up, entry->id)};
    struct codec_source source;
    int64_t begin_ms = clock_mono_ms();
    bool is_urgent;
    int rc = -1;

    memcpy(expected.pixels, entry->facts.pixels_sha256, DIGEST_BYTES);
    memcpy(expected.dataset, entry->facts.dataset_sha256, DIGEST_BYTES);
    if (spool_source_object(up->spool, entry->id, &bytes, err) < 0 ||
        layout_read(entry->layout, entry->layout_n, &layout, err) < 0)
        goto out;
    claim.layout = layout;
    gate_lock(&up->gate);
    is_urgent = order_of(up, entry->facts.study_uid) == UPLINK_STAT;
    gate_unlock(&up->gate);
    source = (struct codec_source){.fd = bytes.fd,
                                   .offset = bytes.offset,
                                   .size = bytes.size,
                                   .recipe = entry->recipe,
                                   .recipe_n = entry->recipe_n,
                                   .is_urgent = is_urgent};
    rc = codec_prove(up->pool, &source, &claim, err);
    gate_lock(&up->gate);
    choice_note_job(&up->choice, layout->layers > 0 ? CODEC_LAYERS : CODEC_FAST, true, entry->size,
                    (double)(clock_mono_ms() - begin_ms) / 1000);
    gate_unlock(&up->gate);
out:
    if (bytes.fd >= 0)
        close(bytes.fd);
    layout_free(&layout);
    return rc;
}

/* An alarm is durable before its cause is mended: a restart does not end it. */
static int
change_unseen(struct uplink *up, uint64_t more, uint64_t seen, struct err *err)
{
    uint64_t value;
    int rc;

    pthread_mutex_lock(&up->urging);
    value = spool_number_get(up->spool, UNSEEN) + more;
    rc = spool_number_set(up->spool, UNSEEN, value > seen ? value - seen : 0, err);
    pthread_mutex_unlock(&up->urging);
    return rc;
}

uint64_t
proof_unseen(const struct uplink *up)
{
    return spool_number_get(up->spool, UNSEEN);
}

int
uplink_proofs_seen(struct uplink *up, uint64_t count, struct err *err)
{
    return change_unseen(up, 0, count, err);
}

/* It goes as it was received; the feeder finds it again by its state. */
static int
give_up(struct uplink *up, uint64_t id, const struct err *why, struct err *err)
{
    struct log_ctx ctx = log_of_entry(id);

    LOG(&ctx, UPLINK_PROOF_FAILED, F_ERR(why));
    if (change_unseen(up, 1, 0, err) < 0 ||
        spool_set_uncoded(up->spool, id, "the coding did not prove itself", err) < 0)
        return -1;
    gate_lock(&up->gate);
    plan_drop(up->plan, id);
    up->news++;
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
    return 0;
}

int
proof_make(struct uplink *up, uint64_t id, struct err *err)
{
    struct spool_entry *entry = NULL;
    struct err why = {0};
    int rc = -1;

    if (spool_load(up->spool, id, &entry, err) < 0)
        return -1;
    if (!entry->is_coded || (entry->state != INSTANCE_CODED && entry->state != INSTANCE_LOOKED)) {
        rc = 0; /* it has come there by another way */
        gate_lock(&up->gate);
        plan_proved(up->plan, id);
        gate_unlock(&up->gate);
    } else if (prove(up, entry, &why) == 0) {
        note_proved(up, id);
        rc = 0;
    } else if (why.kind == ERR_CONFLICT || why.kind == ERR_REJECT) {
        rc = give_up(up, id, &why, err);
    } else {
        *err = why;
    }
    spool_entry_free(&entry);
    return rc;
}
