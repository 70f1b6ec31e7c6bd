/* read.c - where instances are, opening them, previews, and how a study stands. */
#include "storage/keep/keep_own.h"
#include "storage/keep/landing.h"

#include "proto/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- places ---- */

/* First the pack's copies, else the landing files; both until the clean-up after sealing. */
static void
take_paths(struct keep *k, const struct pg_rows *rows, size_t i, struct keep_place *p)
{
    if (!pg_is_null(rows, i, 19)) {
        p->is_sealed = true;
        p->offset = (uint64_t)pg_int(rows, i, 19);
        for (int copy = 0; copy < KEEP_COPIES; copy++)
            if (!pg_is_null(rows, i, 20 + copy))
                snprintf(p->paths[copy], sizeof p->paths[copy], "%s/%s", k->stores[copy],
                         pg_text(rows, i, 20 + copy));
        return;
    }
    snprintf(p->paths[0], sizeof p->paths[0], "%s/%s", k->landing, pg_text(rows, i, 17));
    if (pg_truth(rows, i, 18))
        snprintf(p->paths[1], sizeof p->paths[1], "%s/%s", k->landing_copy, pg_text(rows, i, 17));
}

static void
take_place(struct keep *k, const char *tenant, const struct pg_rows *rows, size_t i,
           struct keep_place *p)
{
    *p = (struct keep_place){.offset = 0};
    text_copy(p->tenant, sizeof p->tenant, tenant);
    text_copy(p->study, sizeof p->study, pg_text(rows, i, 0));
    text_copy(p->series, sizeof p->series, pg_text(rows, i, 1));
    text_copy(p->sop_class, sizeof p->sop_class, pg_text(rows, i, 2));
    text_copy(p->sop_instance, sizeof p->sop_instance, pg_text(rows, i, 3));
    text_copy(p->transfer_syntax, sizeof p->transfer_syntax, pg_text(rows, i, 4));
    text_copy(p->received_syntax, sizeof p->received_syntax, pg_text(rows, i, 5));
    pg_copy_bytes(rows, i, 6, p->object, 32);
    pg_copy_bytes(rows, i, 7, p->pixels, 32);
    pg_copy_bytes(rows, i, 8, p->dataset, 32);
    pg_copy_bytes(rows, i, 9, p->received, 32);
    p->size = (uint64_t)pg_int(rows, i, 10);
    p->recipe = pg_bytes(rows, i, 11, &p->recipe_n);
    p->layout = pg_bytes(rows, i, 12, &p->layout_n);
    p->frames = (uint32_t)pg_int(rows, i, 13);
    p->rows = (uint32_t)pg_int(rows, i, 14);
    p->columns = (uint32_t)pg_int(rows, i, 15);
    p->has_pixels = pg_truth(rows, i, 16);
    if (!p->has_pixels)
        p->frames = 0;
    p->pack = pg_int(rows, i, 22);
    take_paths(k, rows, i, p);
}

/* Nothing is whole: is something on its way, or missing? */
static int
say_none(struct keep *k, const struct pg_arg *args, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "landing_exists", args, 4, &rows, err) < 0)
        return -1;
    errno = EIO;
    if (pg_truth(rows, 0, 0))
        err_set(err, ERR_RETRY, "it is still on its way");
    else if (pg_truth(rows, 0, 1))
        err_sys(err, ERR_FATAL, "no copy of it is good");
    else
        err_set(err, ERR_NOT_FOUND, "there is nothing of that name");
    pg_rows_free(&rows);
    return -1;
}

int
keep_instances(struct keep *k, const char *tenant, const char *study, const char *series,
               const char *sop_instance, keep_on_place on_place, void *user, struct err *err)
{
    struct pg_arg args[4] = {PG_TEXT(tenant), PG_TEXT(study), PG_TEXT(series),
                             PG_TEXT(sop_instance)};
    struct keep_place *place = mem_new(sizeof *place);
    struct pg_rows *rows = NULL;
    int rc = keep_run(k, "places", args, ARRAY_LEN(args), &rows, err);

    if (rc == 0 && pg_rows_count(rows) == 0)
        rc = say_none(k, args, err);
    for (size_t i = 0; rc == 0 && i < pg_rows_count(rows); i++) {
        take_place(k, tenant, rows, i, place);
        rc = on_place(user, place, err);
    }
    pg_rows_free(&rows);
    free(place);
    return rc;
}

struct keep_place *
keep_place_copy(const struct keep_place *place)
{
    struct keep_place *p = mem_new(sizeof *p + place->recipe_n + place->layout_n);
    uint8_t *tail = (uint8_t *)(p + 1);

    *p = *place;
    if (place->recipe != NULL) {
        memcpy(tail, place->recipe, place->recipe_n);
        p->recipe = tail;
    }
    if (place->layout != NULL) {
        memcpy(tail + place->recipe_n, place->layout, place->layout_n);
        p->layout = tail + place->recipe_n;
    }
    return p;
}

void
keep_place_free(struct keep_place **place)
{
    free(TAKE(*place));
}

/* ---- standing ---- */

/* What was not even offered yet is taken to be as large as the rest. */
static int64_t
time_left(const struct keep_standing *s)
{
    uint64_t all = s->expected > s->announced ? s->expected : s->announced;
    double rest = (double)(s->bytes_all - s->bytes_there);

    if (all > s->offered && s->offered > 0)
        rest += (double)s->bytes_all * (double)(all - s->offered) / (double)s->offered;
    if (rest < 1)
        return 0;
    return s->bytes_per_s == 0 ? -1 : (int64_t)(rest / (double)s->bytes_per_s) + 1;
}

int
keep_standing_get(struct keep *k, const char *tenant, const char *study, struct keep_standing *out,
                  struct err *err)
{
    struct pg_rows *rows = NULL;
    struct keep_standing s = {.offered = 0};
    int rc = -1;

    if (keep_run(k, "standing", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0) {
        s.whole = (uint64_t)pg_int(rows, 0, 3);
        s.sealed = (uint64_t)pg_int(rows, 0, 4);
        s.quarantined = (uint64_t)pg_int(rows, 0, 5);
        s.offered = (uint64_t)pg_int(rows, 0, 1) + s.whole;
        s.looked = (uint64_t)pg_int(rows, 0, 2) + s.whole; /* whole holds its first look */
        s.last_at_us = pg_int(rows, 0, 6);
        s.revision = (uint32_t)pg_int(rows, 0, 7);
        s.expected = (uint64_t)pg_int(rows, 0, 8);
        s.announced = (uint64_t)pg_int(rows, 0, 9);
        s.bytes_all = (uint64_t)pg_int(rows, 0, 10);
        s.bytes_there = (uint64_t)pg_int(rows, 0, 11);
        s.gone.images = (uint64_t)pg_int(rows, 0, 12);
        text_copy(s.gone.reason, sizeof s.gone.reason, pg_text(rows, 0, 13));
        text_copy(s.gone.by, sizeof s.gone.by, pg_text(rows, 0, 14));
        s.gone.at_us = pg_int(rows, 0, 15);
        s.missing = (uint64_t)pg_int(rows, 0, 16);
        s.bytes_per_s = traffic_rate(k->traffic, tenant, study);
        s.seconds_left = time_left(&s);
    }
    if (s.offered == 0 && s.quarantined == 0 && s.revision == 0) {
        err_set(err, ERR_NOT_FOUND, "there is no such study");
    } else {
        *out = s;
        rc = 0;
    }
    pg_rows_free(&rows);
    return rc;
}

/* ---- previews ---- */

static int
give_preview(struct keep *k, const char *tenant, const struct pg_rows *rows, size_t i,
             keep_on_preview on_preview, void *user, struct err *err)
{
    struct keep_preview p = {.size = (uint64_t)pg_int(rows, i, 1)};
    struct landing_file f;
    char hex[65];
    int rc;

    pg_copy_bytes(rows, i, 0, p.object, 32);
    text_copy(p.study, sizeof p.study, pg_text(rows, i, 2));
    text_copy(p.series, sizeof p.series, pg_text(rows, i, 3));
    text_copy(p.sop_class, sizeof p.sop_class, pg_text(rows, i, 4));
    text_copy(p.sop_instance, sizeof p.sop_instance, pg_text(rows, i, 5));
    text_copy(p.transfer_syntax, sizeof p.transfer_syntax, pg_text(rows, i, 6));
    p.layout = pg_bytes(rows, i, 7, &p.layout_n);
    p.is_looked = pg_truth(rows, i, 8);
    if (landing_file_open(k->landing, tenant, p.object, p.size, &f, err) < 0)
        return -1;
    hex_encode(p.object, 32, hex);
    snprintf(p.path, sizeof p.path, "%s/%s/%s-%s.%s", k->landing, f.is_whole ? "whole" : "partial",
             tenant, hex, f.is_whole ? "dcm" : "part");
    p.have = f.have.at;
    p.have_n = f.have.n;
    rc = on_preview(user, &p, err);
    landing_file_close(&f);
    return rc;
}

int
keep_previews(struct keep *k, const char *tenant, const char *study, const char *sop_instance,
              keep_on_preview on_preview, void *user, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = keep_run(k, "landing_of_study",
                      PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_TEXT(sop_instance)), &rows, err);

    for (size_t i = 0; rc == 0 && i < pg_rows_count(rows); i++)
        rc = give_preview(k, tenant, rows, i, on_preview, user, err);
    pg_rows_free(&rows);
    return rc;
}

int
keep_open_preview(struct keep *k, const struct keep_preview *preview, int *out_fd, struct err *err)
{
    int fd = open(preview->path, O_RDONLY | O_CLOEXEC);

    (void)k;
    if (fd < 0)
        return err_sys(err, ERR_RETRY, "open the preview of %s", preview->sop_instance);
    *out_fd = fd;
    return 0;
}
