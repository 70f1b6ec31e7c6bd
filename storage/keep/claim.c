/* claim.c - room for what direct senders bring. Nobody says beforehand how long an object is: it
 * claims a step more than has come, for itself and for its copies, and whoever finds no room ends
 * at once. So the reserve below the mark stays for what gateways have begun (room.c), however long
 * objects are and however many come side by side. */
#include "storage/keep/keep_own.h"

#include "proto/dicom/part10.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP_BYTES = 1024 * 1024, HEAD_BYTES = 4096 };

/* Who sends it again wants to hear that it is kept. */
static int
is_known(struct keep *k, const char *tenant, const char *sop_instance, bool *out, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "instance_by_sop", PG_ARGS(PG_TEXT(tenant), PG_TEXT(sop_instance)), &rows,
                 err) < 0)
        return -1;
    *out = pg_rows_count(rows) > 0;
    pg_rows_free(&rows);
    return 0;
}

/* The name in the meta group of what has come. */
static bool
read_name(const struct keep_claim *claim, char out[DCM_UID_BYTES])
{
    uint8_t *head = mem_new(HEAD_BYTES);
    ssize_t n = pread(claim->fd, head, HEAD_BYTES, 0);
    struct dcm_part10 part10;
    struct err unreadable;
    bool is_read = n > 0 && dcm_part10_parse(head, (size_t)n, &part10, &unreadable) == 0;

    if (is_read)
        memcpy(out, part10.sop_instance, DCM_UID_BYTES);
    free(head);
    return is_read;
}

/* May it go below the mark? What is not named yet may, as far as its head goes. */
static int
look_at_name(struct keep *k, struct keep_claim *claim, struct err *err)
{
    char name[DCM_UID_BYTES] = "";
    const char *sop_instance = claim->sop_instance;

    if (strcmp(claim->way, KEEP_WAY_READER) == 0 ||
        (sop_instance == NULL && claim->bytes <= HEAD_BYTES)) {
        claim->may_end = true;
        return 0;
    }
    claim->is_named = true;
    claim->may_end = false;
    if (sop_instance == NULL && read_name(claim, name))
        sop_instance = name;
    return sop_instance == NULL ? 0
                                : is_known(k, claim->tenant, sop_instance, &claim->may_end, err);
}

static int
find_room(struct keep *k, struct keep_claim *claim, struct err *err)
{
    struct err full;

    if (room_to_begin(k, true, err) == 0)
        return 0;
    if (err->kind != ERR_FULL)
        return -1;
    full = *err;
    if (!claim->is_named && look_at_name(k, claim, err) < 0)
        return -1;
    if (claim->may_end)
        return room_to_end(k, true, err);
    *err = full;
    return -1;
}

static void
claim_set(struct keep *k, struct keep_claim *claim, uint64_t bytes, uint64_t ahead)
{
    room_expect(k, claim->bytes + claim->ahead, bytes + ahead);
    claim->bytes = bytes;
    claim->ahead = ahead;
}

int
keep_claim(struct keep *k, struct keep_claim *claim, uint64_t size, struct err *err)
{
    uint64_t to = size == 0 ? HEAD_BYTES : size + STEP_BYTES;

    if (claim->bytes > 0 && size <= claim->bytes)
        return 0;
    claim_set(k, claim, to, to - claim->bytes);
    return find_room(k, claim, err);
}

int
claim_whole(struct keep *k, struct keep_claim *claim, uint64_t size, const char *sop_instance,
            struct err *err)
{
    claim->sop_instance = sop_instance;
    claim->is_named = false;
    claim_set(k, claim, size, 0);
    return find_room(k, claim, err);
}

void
keep_claim_end(struct keep *k, struct keep_claim *claim)
{
    claim_set(k, claim, 0, 0);
}
