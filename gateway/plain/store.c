/* store.c - instances to a target by C-STORE (PS3.4 B): one association for many, each in the
 * syntax it came in where the peer takes that, else in explicit or implicit little endian. */
#include "gateway/plain/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_send.h"

#include <stdlib.h>
#include <string.h>

enum { PEEKED = 200, LINGER_MS = 2000, SYNC_EVERY = 64 };

/* What an association was asked for: a class in one syntax, or in little endian (syntax ""). */
struct offer {
    char classes[DIMSE_CONTEXTS][65];
    char syntaxes[DIMSE_CONTEXTS][65];
    const char *lists[DIMSE_CONTEXTS];
    struct dimse_proposal proposals[DIMSE_CONTEXTS];
    size_t n;
};

static const char *const plain_syntaxes[] = {DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};

static bool
is_offered(const struct offer *offer, const char *sop_class, const char *syntax)
{
    for (size_t i = 0; i < offer->n; i++)
        if (strcmp(offer->classes[i], sop_class) == 0 && strcmp(offer->syntaxes[i], syntax) == 0)
            return true;
    return false;
}

static void
add(struct offer *offer, const char *sop_class, const char *syntax)
{
    size_t i = offer->n;

    if (i == DIMSE_CONTEXTS || is_offered(offer, sop_class, syntax))
        return;
    text_copy(offer->classes[i], sizeof offer->classes[i], sop_class);
    text_copy(offer->syntaxes[i], sizeof offer->syntaxes[i], syntax);
    offer->lists[i] = offer->syntaxes[i];
    offer->proposals[i] =
        syntax[0] != '\0' ? (struct dimse_proposal){offer->classes[i], &offer->lists[i], 1, false}
                          : (struct dimse_proposal){offer->classes[i], plain_syntaxes,
                                                    ARRAY_LEN(plain_syntaxes), false};
    offer->n++;
}

/* The syntax it came in on a context of its own, implicit apart from explicit: of a list the peer
 * takes the one it likes, and then what came implicit would be rewritten for nothing. */
static void
add_item(struct offer *offer, const struct item *item)
{
    add(offer, item->sop_class, item->syntax);
    add(offer, item->sop_class, "");
}

static bool
make_offer(struct way *way, struct offer *offer)
{
    struct item *items = mem_new(PEEKED * sizeof *items);
    size_t n;

    gate_lock(&way->gate);
    n = queue_peek(way->queue, clock_mono_ms(), items, PEEKED);
    gate_unlock(&way->gate);
    offer->n = 0;
    for (size_t i = 0; i < n; i++)
        add_item(offer, &items[i]);
    free(items);
    return offer->n > 0;
}

/* ---- one instance ---- */

struct sending {
    struct way *way;
    struct err not_sent; /* why it did not leave */
};

static int
open_instance(void *user, const struct dimse_retrieved *m, const char *syntax,
              struct dimse_part10 *out, struct err *err)
{
    struct sending *s = user;

    return plain_open_bytes(s->way, m->number, m->transfer_syntax, syntax, &out->fd, &out->at,
                            &out->end, err);
}

static void
not_sent(void *user, const struct dimse_retrieved *m, const struct err *why)
{
    (void)m;
    ((struct sending *)user)->not_sent = *why;
}

/* It did not leave: no syntax of it is taken, no decoder, or this disk's trouble. */
static void
settle_not_sent(struct way *way, const struct item *item, const struct err *why)
{
    if (err_kind_is_retried(why->kind))
        settle_later(way, item, 0, why->text);
    else
        settle_refused(way, item, 0, why->text);
}

/* False: the association is over; err says why. */
static bool
send_item(struct way *way, struct dimse_sub *sub, const struct item *item, struct err *err)
{
    struct sending sending = {.way = way};
    struct dimse_retrieval r = {
        .open = open_instance, .not_sent = not_sent, .user = &sending, .n = 0};
    struct dimse_retrieved m = {.number = item->id};
    enum dimse_sent sent;

    text_copy(m.study, sizeof m.study, item->study);
    text_copy(m.series, sizeof m.series, item->series);
    text_copy(m.sop_instance, sizeof m.sop_instance, item->sop_instance);
    text_copy(m.sop_class, sizeof m.sop_class, item->sop_class);
    text_copy(m.transfer_syntax, sizeof m.transfer_syntax, item->syntax);
    sub->status = DIMSE_SUCCESS;
    sub->comment[0] = '\0';
    if (dimse_send_instance(&r, sub, &m, &sent, err) < 0) {
        settle_doubtful(way, item);
        return false;
    }
    if (sending.not_sent.kind != ERR_NONE) {
        settle_not_sent(way, item, &sending.not_sent);
        return true;
    }
    return settle_status(way, item, sub->status, sub->comment, err);
}

/* ---- one association ---- */

static bool
take(struct way *way, struct item *out)
{
    bool is_taken;

    gate_lock(&way->gate);
    is_taken = !way->is_stopping && queue_take(way->queue, clock_mono_ms(), out);
    gate_unlock(&way->gate);
    return is_taken;
}

/* Until nothing waits, or something waits that was not asked for. False: it is over. */
static bool
send_on(struct way *way, struct dimse_assoc *assoc, const struct offer *offer, struct err *err)
{
    struct dimse_sub sub = {.to = assoc};
    struct item item;
    unsigned sent = 0;

    do {
        while (take(way, &item)) {
            if (!is_offered(offer, item.sop_class, item.syntax)) {
                settle_back(way, &item);
                return true;
            }
            if (!plain_may_go(way, &item))
                continue;
            if (!way_pace(way, item.size) || !settle_tried(way, &item)) {
                settle_back(way, &item);
                return true;
            }
            if (!send_item(way, &sub, &item, err))
                return false;
            if (++sent % SYNC_EVERY == 0 && !way_sync(way))
                return true;
        }
    } while (way_await_more(way, LINGER_MS));
    return true;
}

void
store_some(struct talk *t)
{
    struct offer *offer = mem_new(sizeof *offer);
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    bool is_fine = false;

    if (!make_offer(t->way, offer)) { /* another sender was quicker */
        way_line_unprobed(t->way, false);
        goto out;
    }
    /* an answered instance says that the line is up, no less */
    is_fine =
        plain_associate(t, &t->way->conf->entity, offer->proposals, offer->n, &assoc, &err) == 0 &&
        send_on(t->way, assoc, offer, &err);
    if (is_fine)
        way_line_unprobed(t->way, false);
    else
        way_line_failed(t->way, false, LINE_DOWN, &err);
    plain_hang_up(t, &assoc, is_fine || err.kind == ERR_FULL);
out:
    free(offer);
}
