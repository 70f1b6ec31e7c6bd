/* receiver.c - receipts by long poll. The cursor is durable only after every receipt before it is
 * noted; asking again with an older one replays, and noting one twice changes nothing. */
#include "gateway/uplink/parts.h"

#include <stdlib.h>
#include <string.h>

#define CURSOR "receipts"
#define CURSOR_AT "receipts_at" /* the first bytes of the object whose receipt that is */
enum { WAIT_S = 25, REFUSED_WAIT_MS = 5000 };

/* The entries of this SOP instance whose file is the sealed one. */
static int
note_receipt(struct uplink *up, const struct link_receipt *receipt, struct err *err)
{
    struct spool_filter filter = {.sop_instance = receipt->sop_instance};
    uint64_t *ids = NULL;
    size_t n = 0;
    int rc = 0;

    if (receipt->state != LINK_SEALED)
        return 0;
    spool_list(up->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct spool_entry *entry = NULL;

        if (spool_load(up->spool, ids[i], &entry, err) < 0) {
            rc = err->kind == ERR_NOT_FOUND ? 0 : -1;
            continue;
        }
        if (memcmp(entry->object_sha256, receipt->object, LINK_HASH_BYTES) == 0 &&
            entry->state != INSTANCE_SEALED && entry->state != INSTANCE_RECEIVED &&
            entry->state != INSTANCE_INSPECTED &&
            (INSTANCE_BIT(entry->state) & INSTANCE_UNLISTED) == 0) {
            rc = spool_set_sealed(up->spool, ids[i], receipt->seq, err);
            gate_lock(&up->gate);
            plan_drop(up->plan, ids[i]);
            gate_unlock(&up->gate);
        }
        spool_entry_free(&entry);
    }
    free(ids);
    return rc;
}

/* As hexadecimal digits say them. */
static uint64_t
first_bytes(const uint8_t object[LINK_HASH_BYTES])
{
    uint64_t n = 0;

    for (size_t i = 0; i < sizeof n; i++)
        n = n << 8 | object[i];
    return n;
}

static int
note_receipts(struct uplink *up, const struct link_receipts *receipts, struct err *err)
{
    for (size_t i = 0; i < receipts->count; i++)
        if (note_receipt(up, &receipts->receipts[i], err) < 0)
            return -1;
    if (receipts->next <= spool_number_get(up->spool, CURSOR) || receipts->count == 0)
        return 0;
    /* in this order: an old cursor with a newer object is still known to the centre */
    if (spool_number_set(up->spool, CURSOR_AT,
                         first_bytes(receipts->receipts[receipts->count - 1].object), err) < 0)
        return -1;
    return spool_number_set(up->spool, CURSOR, receipts->next, err);
}

void *
receiver_run(void *arg)
{
    struct uplink *up = arg;
    struct talk talk;

    talk_init(&talk, up, NULL, up->o.stall_ms + WAIT_S * 1000);
    while (serving_wait(up)) {
        struct link_receipts receipts = {0};
        struct err err = {0};

        if (talk_receipts(&talk, spool_number_get(up->spool, CURSOR),
                          spool_number_get(up->spool, CURSOR_AT), WAIT_S, &receipts, &err) < 0) {
            if (!err_kind_is_retried(err.kind) && err.kind != ERR_DENIED) {
                LOG(&uplink_log, UPLINK_CALL_REFUSED, F_ERR(&err));
                up_rest(up, REFUSED_WAIT_MS);
            }
            continue;
        }
        if (receipts.is_cursor_lost ? reconcile_cursor_lost(up, receipts.next, &err) < 0
                                    : note_receipts(up, &receipts, &err) < 0) {
            LOG(&uplink_log, UPLINK_SPOOL_TROUBLE, F_ERR(&err));
            up_rest(up, REFUSED_WAIT_MS);
        }
        link_receipts_free(&receipts);
        up_news(up);
    }
    talk_fini(&talk);
    return NULL;
}
