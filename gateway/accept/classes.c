/* classes.c - which classes the door takes; and those that would be images, which it did not, for
 * the desk. */
#include "gateway/accept/accept_parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/sopclass.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/accept/accept_events.def"
#undef LOG_EVENT

/* Named in the options: a UID, or all below one that ends in a dot. */
static bool
is_named(const char *list, const char *uid)
{
    if (strcmp(list, "any") == 0)
        return true;
    for (const char *at = list; *at != '\0';) {
        at += strspn(at, " ,");
        size_t n = strcspn(at, " ,");
        if (n > 0 && strncmp(uid, at, n) == 0 && (uid[n] == '\0' || at[n - 1] == '.'))
            return true;
        at += n;
    }
    return false;
}

/* A storage class beside the table's. */
static bool
is_named_storage(const struct accept *a, const char *uid)
{
    return dcm_sop_class_may_be(uid) && is_named(a->options.private_classes, uid);
}

enum dimse_offer
classes_offer(const char *abstract_syntax, bool peer_is_scp, void *user)
{
    const struct accept *a = user;
    const struct accept_service *service = service_of(a, abstract_syntax);

    if (peer_is_scp && !service && is_named_storage(a, abstract_syntax))
        service = service_of(a, DCM_UID_CT_IMAGE); /* by C-GET it leaves like any image */
    if (peer_is_scp)
        return service && service->peer_scp_too ? service->offer : DIMSE_NOT_OFFERED;
    if (strcmp(abstract_syntax, DCM_UID_VERIFICATION) == 0)
        return DIMSE_PLAIN_SYNTAX;
    if (dcm_sop_class_find(abstract_syntax) != NULL || is_named_storage(a, abstract_syntax))
        return DIMSE_ANY_SYNTAX;
    return service ? service->offer : DIMSE_NOT_OFFERED;
}

/* Its row, or a new one with no count; the one that was offered longest ago gives way. Locked. */
static struct accept_unoffered *
row_of(struct accept *a, const struct dimse_peer *peer, const char *uid)
{
    struct accept_unoffered *oldest = &a->unoffered[0];

    for (size_t i = 0; i < a->unoffered_n; i++) {
        struct accept_unoffered *row = &a->unoffered[i];
        if (strcmp(row->ae, peer->calling) == 0 && strcmp(row->address, peer->address) == 0 &&
            strcmp(row->sop_class, uid) == 0)
            return row;
        if (row->last_us < oldest->last_us)
            oldest = row;
    }
    if (a->unoffered_n < ARRAY_LEN(a->unoffered))
        oldest = &a->unoffered[a->unoffered_n++];
    *oldest = (struct accept_unoffered){.count = 0};
    text_copy(oldest->ae, sizeof oldest->ae, peer->calling);
    text_copy(oldest->address, sizeof oldest->address, peer->address);
    text_copy(oldest->sop_class, sizeof oldest->sop_class, uid);
    return oldest;
}

void
classes_not_offered(const struct dimse_peer *peer, const char *abstract_syntax, void *user)
{
    struct accept *a = user;
    struct log_ctx ctx = {
        .stage = "gateway/accept", .peer = peer->address, .peer_ae = peer->calling};

    if (!dcm_sop_class_may_be(abstract_syntax))
        return;
    gate_lock(&a->gate);
    struct accept_unoffered *row = row_of(a, peer, abstract_syntax);
    bool is_new = row->count++ == 0;
    row->last_us = clock_wall_us();
    gate_unlock(&a->gate);
    if (is_new)
        LOG(&ctx, ACCEPT_CLASS_NOT_OFFERED, F_UID("class", abstract_syntax));
}

void
accept_list_unoffered(struct accept *a, struct accept_unoffered **out_rows, size_t *out_n)
{
    gate_lock(&a->gate);
    struct accept_unoffered *rows = mem_new((a->unoffered_n + 1) * sizeof *rows);
    memcpy(rows, a->unoffered, a->unoffered_n * sizeof *rows);
    *out_rows = rows;
    *out_n = a->unoffered_n;
    gate_unlock(&a->gate);
}
