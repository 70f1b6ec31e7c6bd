/* fetch.c - the instances of a study, series or UID, one after the other. */
#include "storage/serve/fetch.h"

#include <stdlib.h>
#include <string.h>

enum { FETCH_MOST = 1000000 };

struct fetch {
    struct serve *s;
    struct serve_target target;
    char study[LINK_UID_SIZE], series[LINK_UID_SIZE];
    char syntax[LINK_UID_SIZE];
    bool is_partial;
    struct buf names; /* zero-ended UIDs of instances, one after the other */
    size_t at, count;
    struct keep_place *only; /* of a single instance: no second look-up */
};

static int
add_name(void *user, const struct keep_place *place, struct err *err)
{
    struct fetch *f = user;

    if (f->count == FETCH_MOST)
        return err_set(err, ERR_REJECT, "more than %d instances in one request", FETCH_MOST);
    if (f->count == 0) {
        f->only = keep_place_copy(place);
        memcpy(f->syntax, place->transfer_syntax, sizeof f->syntax);
    } else
        keep_place_free(&f->only);
    if (strcmp(f->syntax, place->transfer_syntax) != 0)
        f->syntax[0] = '\0';
    f->count++;
    buf_add(&f->names, place->sop_instance, strlen(place->sop_instance) + 1);
    return 0;
}

static int
see_preview(void *user, const struct keep_preview *preview, struct err *err)
{
    struct fetch *f = user;

    (void)err;
    if (f->target.series == NULL || strcmp(f->target.series, preview->series) == 0)
        f->is_partial = true;
    return 0;
}

int
fetch_new(struct serve *s, struct http_request *req, const struct serve_target *target,
          enum serve_way way, struct fetch **out, struct err *err)
{
    struct fetch *f = mem_new(sizeof *f);
    int rc = -1;

    f->s = s;
    f->target = *target;
    memcpy(f->study, target->study, strlen(target->study) + 1);
    f->target.study = f->study;
    if (target->series != NULL) {
        memcpy(f->series, target->series, strlen(target->series) + 1);
        f->target.series = f->series;
    }
    buf_init(&f->names, (size_t)FETCH_MOST * LINK_UID_SIZE);
    if (keep_instances(s->options.keep, f->target.tenant, f->target.study, f->target.series,
                       f->target.instance, add_name, f, err) < 0)
        goto out;
    if (f->count == 0) {
        err_set(err, ERR_NOT_FOUND, "no instance");
        goto out;
    }
    if (target->instance == NULL && keep_previews(s->options.keep, f->target.tenant,
                                                  f->target.study, NULL, see_preview, f, err) < 0)
        goto out;
    if (serve_note(s, req, &f->target, way, f->count, err) < 0)
        goto out;
    *out = TAKE(f);
    rc = 0;
out:
    fetch_free(&f);
    return rc;
}

void
fetch_free(struct fetch **fetch)
{
    struct fetch *f = TAKE(*fetch);

    if (f == NULL)
        return;
    keep_place_free(&f->only);
    buf_fini(&f->names);
    free(f);
}

size_t
fetch_count(const struct fetch *fetch)
{
    return fetch->count;
}

bool
fetch_is_partial(const struct fetch *fetch)
{
    return fetch->is_partial;
}

const char *
fetch_syntax(const struct fetch *fetch)
{
    return fetch->syntax;
}

int
fetch_next(struct fetch *f, struct keep_place **out, struct err *err)
{
    struct serve_target one = f->target;

    if (f->at >= f->names.n)
        return 0;
    one.instance = (const char *)f->names.bytes + f->at;
    if (f->only != NULL)
        *out = TAKE(f->only);
    else if (serve_place(f->s, &one, out, err) < 0)
        return -1;
    f->at += strlen(one.instance) + 1;
    return 1;
}
