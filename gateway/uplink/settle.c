/* settle.c - a word of the centre about an object becomes a durable state here, then the plan goes
 * on. Nothing else moves an instance past coded. */
#include "gateway/uplink/parts.h"

#include "proto/model/doubts.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAD_TRIES = 3, READ_TRIES = 3 };

static const char taken[] =
    "uid_conflict: other content is kept under this SOP Instance UID at the centre";
static const char aside[] = "refused: kept aside at the centre, a person has to look";
static const char reused[] =
    "uid_reused: its study UID is another patient's, it is kept aside at the centre";

/* The spool's own words for what went wrong; the plan forgets the entry and the feeder finds it
 * again by its state. */
static void
spool_trouble(struct uplink *up, uint64_t id, const struct err *err)
{
    struct log_ctx ctx = log_of_entry(id);

    LOG(&ctx, UPLINK_SPOOL_TROUBLE, F_ERR(err));
    gate_lock(&up->gate);
    plan_drop(up->plan, id);
    gate_unlock(&up->gate);
    up_rest_if_sick(up);
}

void
settle_quarantine(struct uplink *up, uint64_t id, const char *why)
{
    struct log_ctx ctx = log_of_entry(id);
    struct err err = {0};

    if (spool_set_quarantined(up->spool, id, why, &err) < 0) {
        spool_trouble(up, id, &err);
        return;
    }
    LOG(&ctx, UPLINK_QUARANTINED, F_WORD("why", why));
    later_forget(up, id);
    gate_lock(&up->gate);
    plan_drop(up->plan, id);
    gate_unlock(&up->gate);
}

/* Too little memory or too many open files say nothing about this one. */
static bool
is_of_the_host(const struct err *err)
{
    return err->sys == EMFILE || err->sys == ENFILE || err->sys == ENOMEM;
}

/* Only a coding can keep an entry from being loaded. */
static void
give_up_reading(struct uplink *up, uint64_t id)
{
    struct log_ctx ctx = log_of_entry(id);
    struct spool_entry *entry = NULL;
    struct err err = {0};
    bool is_coded = spool_load(up->spool, id, &entry, &err) < 0 || entry->is_coded;
    bool is_to_go = entry == NULL || entry->state == INSTANCE_CODED ||
                    entry->state == INSTANCE_PLAIN || entry->state == INSTANCE_LOOKED;

    spool_entry_free(&entry);
    err_clear(&err);
    if (is_to_go && is_coded) {
        static const char why[] = "its coded bytes cannot be read";

        if (spool_set_uncoded(up->spool, id, why, &err) == 0) {
            LOG(&ctx, UPLINK_PLAIN, F_WORD("why", why));
        } else if (err.kind != ERR_NOT_FOUND && err.kind != ERR_CONFLICT) { /* else gone, or held */
            LOG(&ctx, UPLINK_SPOOL_TROUBLE, F_ERR(&err));
            return; /* it stays put off */
        }
    } else if (is_to_go) {
        settle_quarantine(up, id, "damaged: its bytes cannot be read");
    }
    later_forget(up, id);
}

void
settle_unreadable(struct uplink *up, uint64_t id, const struct err *err)
{
    unsigned tries = later_put_off(up, id);

    spool_trouble(up, id, err);
    if (tries >= READ_TRIES && !is_of_the_host(err))
        give_up_reading(up, id);
    up_news(up);
}

static bool
conflict_find(const struct uplink *up, uint64_t id, size_t *out_at)
{
    for (size_t i = 0; i < up->conflicts_n; i++)
        if (up->conflicts[i] == id) {
            *out_at = i;
            return true;
        }
    return false;
}

static void
conflict_note(struct uplink *up, uint64_t id)
{
    struct log_ctx ctx = log_of_entry(id);
    bool is_new;
    size_t at;

    gate_lock(&up->gate);
    is_new = !conflict_find(up, id, &at);
    if (is_new) {
        up->conflicts = mem_grow(up->conflicts, (up->conflicts_n + 1) * sizeof *up->conflicts);
        up->conflicts[up->conflicts_n++] = id;
        up->conflicts_seen++;
    }
    gate_unlock(&up->gate);
    if (is_new)
        LOG(&ctx, UPLINK_CONFLICT);
}

static bool
conflict_forget(struct uplink *up, uint64_t id)
{
    bool was_there;
    size_t at;

    gate_lock(&up->gate);
    was_there = conflict_find(up, id, &at);
    if (was_there)
        up->conflicts[at] = up->conflicts[--up->conflicts_n];
    gate_unlock(&up->gate);
    return was_there;
}

/* In words that say what a person can do. */
static const char *
why_aside(struct uplink *up, uint64_t id)
{
    struct spool_entry *entry = NULL;
    const char *why = aside;
    struct err gone; /* then nobody reads the words */

    if (conflict_forget(up, id))
        return taken;
    if (spool_look(up->spool, id, &entry, &gone) == 0 &&
        (entry->facts.doubts & DOUBT_UID_REUSED) != 0)
        why = reused;
    spool_entry_free(&entry);
    return why;
}

/* Whole and durable there. A conflicting one is safe there too, and waits here for a person. */
static void
settle_held(struct uplink *up, uint64_t id, bool is_sealed)
{
    struct err err = {0};
    int rc;

    if (conflict_forget(up, id)) {
        settle_quarantine(up, id, taken);
        return;
    }
    rc = is_sealed ? spool_set_sealed(up->spool, id, 0, &err)
                   : spool_set_held(up->spool, id, 0, &err);
    /* a receipt may have been quicker, or two connections brought the same word */
    if (rc < 0 && err.kind != ERR_CONFLICT && err.kind != ERR_NOT_FOUND) {
        spool_trouble(up, id, &err);
        return;
    }
    later_forget(up, id);
    gate_lock(&up->gate);
    plan_drop(up->plan, id);
    up->news++;
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
}

/* The centre found another digest for what we sent: are our own bytes still what they were? */
static void
settle_bad(struct uplink *up, uint64_t id, unsigned times)
{
    struct spool_entry *entry = NULL;
    struct spool_bytes bytes = {.fd = -1};
    uint8_t now[DIGEST_BYTES];
    struct err err = {0};

    if (spool_load(up->spool, id, &entry, &err) < 0 ||
        spool_source_object(up->spool, id, &bytes, &err) < 0 ||
        digest_file(bytes.fd, bytes.offset, bytes.size, now, &err) < 0)
        goto out;
    if (memcmp(now, entry->object_sha256, sizeof now) != 0)
        settle_quarantine(up, id, "damaged: its bytes on this disk have changed");
    else if (times >= BAD_TRIES)
        settle_quarantine(up, id, "refused: the centre finds another digest again and again");
out:
    if (err.kind != ERR_NONE)
        spool_trouble(up, id, &err);
    if (bytes.fd >= 0)
        close(bytes.fd);
    spool_entry_free(&entry);
}

/* Looked: only a coded instance knows that state, and only once. */
static void
settle_looked(struct uplink *up, uint64_t id)
{
    struct err err = {0};

    if (spool_set_looked(up->spool, id, 0, &err) < 0 && err.kind != ERR_CONFLICT &&
        err.kind != ERR_NOT_FOUND) {
        struct log_ctx ctx = log_of_entry(id);

        LOG(&ctx, UPLINK_SPOOL_TROUBLE, F_ERR(&err));
    }
}

void
settle_object(struct uplink *up, uint64_t id, const struct link_object_state *says, bool is_offer)
{
    unsigned bad;

    switch (says->state) {
    case LINK_HELD:
    case LINK_DUPLICATE:
        settle_held(up, id, false);
        return;
    case LINK_SEALED:
        settle_held(up, id, true);
        return;
    case LINK_QUARANTINED:
        settle_quarantine(up, id, why_aside(up, id));
        return;
    case LINK_CONFLICT:
        conflict_note(up, id);
        break;
    case LINK_LOOKED:
        settle_looked(up, id);
        break;
    case LINK_WANTED:
    case LINK_PARTIAL:
    case LINK_BAD:
    case LINK_STATES:
        break;
    }
    gate_lock(&up->gate);
    if (is_offer)
        plan_offered(up->plan, id, says);
    bad = is_offer ? 0 : plan_answered(up->plan, id, says);
    up->news++;
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
    if (says->state == LINK_BAD && !is_offer)
        settle_bad(up, id, bad);
}
