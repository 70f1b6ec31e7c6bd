/* lost.c - what the centre sealed and has lost, after its bytes went here: marked until it is
 * found, or until it comes again.
 * A person may say that it is gone for good: then its study's list goes on without it. Nothing
 * rests on it meanwhile; what did goes in its place.
 *
 *     marked > copies released        a kill in between: the next comparison releases them
 *     copies moved to the new entry > the lost one last: until then the new one is inspected again
 */
#include "gateway/spool/internal.h"

#include <inttypes.h>
#include <stdlib.h>

static int
mark_lost(struct record *r, bool is_on, struct err *err)
{
    if (is_on && r->state != INSTANCE_SEALED)
        return err_set(err, ERR_CONFLICT, "not possible from state %s",
                       instance_state_word(r->state));
    if (is_on && (r->received.segment != 0 || r->coded.segment != 0))
        return err_set(err, ERR_CONFLICT, "its bytes are here");
    r->is_lost = is_on;
    r->is_gone = r->is_gone && is_on;
    return 0;
}

static int
mark_gone(struct record *r, bool is_on, struct err *err)
{
    if (is_on && !r->is_lost)
        return err_set(err, ERR_CONFLICT, "it is not lost");
    r->is_gone = is_on;
    return 0;
}

/* Without bytes it cannot go, and it may have moved on: both are as they should be. */
static int
release_copy(struct spool *sp, uint64_t id, enum instance_event event, size_t *io_released,
             struct err *err)
{
    struct news news = {0};

    if (arrow_make(sp, id, event, &news, err) == 0) {
        ++*io_released;
        return 0;
    }
    if (err->kind != ERR_NOT_FOUND && err->kind != ERR_CONFLICT)
        return -1;
    err_clear(err);
    return 0;
}

/* Where no copy's received bytes are here, a coded one goes as it is. Nobody looks into it anew, so
 * what was lost, and its other copies, are its duplicates at once. */
static int
release_coded(struct spool *sp, uint64_t id, const uint64_t *copies, size_t n, size_t *out_released,
              struct err *err)
{
    for (size_t i = 0; i < n && *out_released == 0; i++)
        if (release_copy(sp, copies[i], INSTANCE_SAW_LOST_CODED, out_released, err) < 0 ||
            (*out_released > 0 && spool_set_again(sp, id, copies[i], err) < 0))
            return -1;
    return 0;
}

int
spool_set_lost(struct spool *sp, uint64_t id, size_t *out_released, struct err *err)
{
    uint64_t *copies = NULL;
    size_t n = 0, released = 0;
    int rc = arrow_mark(sp, id, mark_lost, true, err);

    if (rc < 0)
        return err_context(err, "lost");
    rc = arrow_copies(sp, id, INSTANCE_SAW_AGAIN, &copies, &n, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = release_copy(sp, copies[i], INSTANCE_SAW_LOST, &released, err);
    if (rc == 0 && released == 0)
        rc = release_coded(sp, id, copies, n, &released, err);
    free(copies);
    if (rc < 0)
        return err_context(err, "lost");
    *out_released = released;
    return 0;
}

int
spool_set_gone(struct spool *sp, uint64_t id, bool is_gone, struct err *err)
{
    return arrow_mark(sp, id, mark_gone, is_gone, err);
}

int
spool_set_found(struct spool *sp, uint64_t id, struct err *err)
{
    return arrow_mark(sp, id, mark_lost, false, err);
}

int
spool_set_again(struct spool *sp, uint64_t id, uint64_t by, struct err *err)
{
    struct news news = {.twin_of = by};
    uint64_t *copies = NULL;
    size_t n = 0;
    int rc = arrow_copies(sp, id, INSTANCE_SAW_AGAIN, &copies, &n, err);

    for (size_t i = 0; i < n && rc == 0; i++)
        if (copies[i] != by)
            rc = arrow_make(sp, copies[i], INSTANCE_SAW_AGAIN, &news, err);
    free(copies);
    return rc < 0 ? -1 : arrow_make(sp, id, INSTANCE_SAW_AGAIN, &news, err);
}
